/*
 * The truth for families.ts and main.ts in this folder: every family's formula with __float128 (113 bits), polynomials and flows with two of
 * them (226 bits). Shares nothing with the package: its formulas are those of the papers, its functions are libquadmath's.
 *
 * Reads float64 from stdin, a record a plan: family, number of constants, constants; number of lists, each with its length first; number of x,
 * then x. Writes two float64 for each x, whose sum is the truth. gcc -O2 judge.c -lquadmath
 */
#include <quadmath.h>
#include <stdio.h>
#include <stdlib.h>

typedef __float128 q;
typedef struct {
  q h, l;
} qq;

/* Knuth; Dekker by a fused multiplication. */
static qq two(q a, q b) {
  q s = a + b, t = s - a;
  return (qq){s, (a - (s - t)) + (b - t)};
}
static qq fast(q a, q b) {
  q s = a + b;
  return (qq){s, b - (s - a)};
}
/* Veltkamp's split: 113 bits as 56 and 57. */
static qq product(q a, q b) {
  const q C = 0x1p57Q + 1;
  q p = a * b, t = C * a, ah = t - (t - a), al = a - ah;
  t = C * b;
  q bh = t - (t - b), bl = b - bh;
  return (qq){p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}
static qq of(q a) { return (qq){a, 0}; }
static qq add(qq a, qq b) {
  qq s = two(a.h, b.h), t = two(a.l, b.l);
  s = fast(s.h, s.l + t.h);
  return fast(s.h, s.l + t.l);
}
static qq neg(qq a) { return (qq){-a.h, -a.l}; }
static qq sub(qq a, qq b) { return add(a, neg(b)); }
static qq mul(qq a, qq b) {
  qq p = product(a.h, b.h);
  return fast(p.h, p.l + (a.h * b.l + a.l * b.h));
}
static qq quo(qq a, qq b) {
  q h = a.h / b.h;
  qq r = sub(a, mul(of(h), b));
  q m = r.h / b.h;
  r = sub(r, mul(of(m), b));
  qq s = fast(h, m);
  return add(s, of(r.h / b.h));
}
/* e^x: Taylor at x/2^12, squared 12 times as e^x - 1, which loses nothing. */
static qq expm1_(qq x) {
  if (x.h > 11000) return of(HUGE_VALQ);
  if (x.h < -11000) return of(-1);
  int halvings = 0;
  while (fabsq(x.h) > 0x1p-12Q) {
    x.h /= 2, x.l /= 2;
    halvings++;
  }
  qq s = of(0);
  for (int n = 17; n >= 1; n--) s = quo(mul(x, add(of(1), s)), of(n));
  while (halvings-- > 0) s = add(mul(s, s), add(s, s));
  return s;
}
/* Newton: log x = y + (x·e^-y - 1), twice. */
static qq log_(qq x) {
  qq y = of(logq(x.h));
  for (int k = 0; k < 2; k++) {
    qq e = add(expm1_(neg(y)), of(1));
    qq z = sub(mul(x, e), of(1));
    y = add(y, sub(z, quo(mul(z, z), of(2))));
  }
  return y;
}

#define MOST_LISTS 8
static double c[64];
static int lengths[MOST_LISTS];
static double *lists[MOST_LISTS];
#define P(k) ((q)lists[k][0])

static qq horner(const double *a, int n, q x) {
  qq s = of(0);
  for (int k = n - 1; k >= 0; k--) s = add(mul(s, of(x)), of(a[k]));
  return s;
}
static q softplus(q t) { return t > 0 ? t + log1pq(expq(-t)) : log1pq(expq(t)); }
static q sigmoid(q t) { return t > 0 ? 1 / (1 + expq(-t)) : expq(t) / (1 + expq(t)); }
static q gaussian(q x) { return erfcq(-x / sqrtq(2)) / 2; }

static q adaptive(q x) {
  float l = lists[0][0], least = 1e-4f, added = 1e-8f;
  q L = c[0] == 0 ? (l < least ? least : l) : (float)((l > 0 ? l : 0) + added);
  q t = -P(1) * x;
  q log_p = t > 5000 ? -(t + logq(L) + log1pq(expq(-t) / L)) / L : -log1pq(L * expq(t)) / L;
  return expq(log_p);
}

static qq rational(q x) {
  const char version = "ABCDNR"[(int)c[0]];
  qq p = horner(lists[0], lengths[0], x), d;
  const double *b = lists[1];
  const int m = lengths[1];
  if (version == 'A') {
    d = of(1);
    q power = 1;
    for (int k = 0; k < m; k++) {
      power *= fabsq(x);
      qq term = mul(of(fabsq(b[k])), of(power));
      d = add(d, term);
    }
  } else if (version == 'C' || version == 'R') d = horner(b, m, x);
  else d = mul(horner(b, m, x), of(x));
  if (version == 'B' || version == 'D' || version == 'C') d = d.h < 0 ? neg(d) : d;
  if (version == 'C') d = add(d, of((q)0.1f));
  else if (version == 'B' || version == 'D' || version == 'N') d = add(d, of(1));
  return quo(p, d);
}

/* Cox and de Boor, the bases of one span. */
static q spline(q x) {
  const double *grid = lists[3], *w = lists[2];
  const int knots = lengths[3], n = lengths[2], degree = knots - n - 1;
  int span = 0;
  while (span + 2 < knots && x >= grid[span + 1]) span++;
  if (c[0] == 0) {
    if (x < grid[0] || x >= grid[knots - 1]) return 0;
  } else {
    if (span < degree) span = degree;
    if (span > n - 1) span = n - 1;
  }
  q base[8][64] = {{0}};
  base[0][span] = 1;
  for (int k = 1; k <= degree; k++)
    for (int i = 0; i + k + 1 < knots; i++) {
      q left = base[k - 1][i], right = base[k - 1][i + 1], s = 0;
      if (left != 0) s += left * (x - grid[i]) / ((q)grid[i + k] - grid[i]);
      if (right != 0) s += right * (grid[i + k + 1] - x) / ((q)grid[i + k + 1] - grid[i + 1]);
      base[k][i] = s;
    }
  q sum = 0;
  for (int i = 0; i < n; i++) sum += w[i] * base[degree][i];
  return sum;
}

/* The flow of a field, cell by cell. N·v at the vertices, in units of [a, b]. */
static qq *speed;
static qq *crossing;
static int cells;

static void readField(void) {
  cells = (int)c[1];
  const int zeroBoundary = (int)c[2];
  speed = realloc(speed, sizeof(qq) * (cells + 1));
  crossing = realloc(crossing, sizeof(qq) * cells);
  for (int k = 0; k <= cells; k++) speed[k] = of(0);
  /* Triples: row, column, entry; even rows are slopes and odd ones offsets. */
  const double *b = lists[1];
  for (int n = 0; n + 2 < lengths[1]; n += 3) {
    const int row = (int)b[n], cell = row / 2;
    const q theta = lists[0][(int)b[n + 1]], entry = b[n + 2];
    for (int k = cell; k <= cell + (cell == cells - 1); k++) {
      qq term = row % 2 == 0 ? mul(of(entry * k), of(theta)) : mul(of(entry * cells), of(theta));
      speed[k] = add(speed[k], term);
    }
  }
  if (zeroBoundary) speed[0] = speed[cells] = of(0);
  for (int k = 0; k < cells; k++) {
    qq v = speed[k], w = speed[k + 1];
    crossing[k] = of(HUGE_VALQ);
    if ((v.h > 0 && w.h > 0) || (v.h < 0 && w.h < 0)) {
      qq rate = sub(w, v);
      qq ratio = quo(w, v);
      crossing[k] = rate.h == 0 ? quo(of(1), v) : quo(log_(ratio), rate);
      if (crossing[k].h < 0) crossing[k] = neg(crossing[k]);
    }
  }
}

/* In places: cell + share of it. Per unit of time v = speed_k·(1-share) + speed_k+1·share cells. */
static qq flow(q x) {
  const q a = c[3], b = c[4];
  const q length = b - a;
  q at = (x - a) * cells / length;
  int cell = (int)(at < 0 ? 0 : at >= cells ? cells - 1 : at);
  qq place = quo(product(x - a, cells), of(length));
  qq share = sub(place, of(cell));
  if (share.h < 0 && cell > 0) cell--, share = add(share, of(1));
  if (share.h >= 1 && cell < cells - 1) cell++, share = sub(share, of(1));
  qq left = of(1);
  int whole = 0;
  for (;;) {
    qq v0 = speed[cell], v1 = speed[cell + 1];
    qq rate = sub(v1, v0);
    qq v = add(v0, mul(rate, share));
    if (v.h == 0) break;
    const int forward = v.h > 0;
    if (!forward && share.h == 0 && share.l == 0 && cell > 0 ) {
      cell--;
      share = of(1);
      whole = 1;
      continue;
    }
    qq target = forward ? v1 : v0;
    const int leaves = forward ? cell + 1 < cells : cell > 0;
    if (leaves && ((target.h > 0) == forward) && target.h != 0) {
      qq takes;
      if (whole) takes = crossing[cell];
      else if (rate.h == 0) takes = quo(forward ? sub(of(1), share) : neg(share), v);
      else takes = quo(log_(quo(target, v)), rate);
      if (takes.h < left.h || (takes.h == left.h && takes.l <= left.l)) {
        left = sub(left, takes);
        cell += forward ? 1 : -1;
        share = of(forward ? 0 : 1);
        whole = 1;
        continue;
      }
    }
    if (rate.h == 0) share = add(share, mul(v, left));
    else {
      qq z = mul(rate, left);
      share = add(share, mul(quo(v, rate), expm1_(z)));
    }
    break;
  }
  place = add(share, of(cell));
  return add(of(a), mul(place, quo(of(length), of(cells))));
}

static qq ditac(q x) {
  const int variant = (int)c[0];
  const q a = c[3], b = c[4];
  if (variant == 4) return flow(x);
  if (x < a || x > b) {
    if (variant == 0 || variant == 2) return of(x * gaussian(x));
    if (variant == 1) return of(x < 0 ? x / 100 : x);
    return of(x);
  }
  qq t = flow(x);
  return variant == 0 ? mul(t, of(gaussian(x))) : t;
}

static qq value(int family, q x) {
  q y = 0;
  switch (family) {
    case 0: return ditac(x);
    case 1: return of(adaptive(x));
    case 2: return of(x * adaptive(x));
    case 3: {
      const int member = (int)c[0];
      const q s = c[1] ? P(0) : 1;
      q e = erfq(expq(member == 2 ? -x : x));
      return of(s * (member == 1 ? x * e : member == 2 ? -x * e : member == 3 ? x * e * e : erfq(x) * softplus(x)));
    }
    case 4: /* Yevick with gamma */
      y = c[0] * fabsq(x);
      return add(of(x > 0 ? P(0) * x : 0), mul(of(P(1)), of(y * y * y)));
    case 5: return x < 0 ? horner(lists[0], lengths[0], x) : horner(lists[1], lengths[1], x);
    case 6: return rational(x);
    case 7: return horner(lists[0], lengths[0], x);
    case 8: {
      double a[4] = {lists[1][0], lists[0][2], lists[0][1], lists[0][0]};
      return horner(a, 4, x > 0 ? x : 0);
    }
    case 9: { /* Hermite: He_k(x)/k! */
      qq before = of(0), he = of(1), s = of(0);
      for (int k = 0; k < lengths[0]; k++) {
        s = add(s, mul(of(lists[0][k]), he));
        /* H_k = He_k/k!: (k+1)·H_{k+1} = x·H_k - H_{k-1}. */
        qq next = quo(sub(mul(of(x), he), before), of(k + 1));
        before = he;
        he = next;
      }
      return s;
    }
    case 10: { /* T_k(t) by its recurrence */
      q t = tanhq(x), before = t, now = 1;
      for (int k = 0; k < lengths[0]; k++) {
        y += lists[0][k] * now;
        q next = 2 * t * now - before;
        before = now;
        now = next;
      }
      return of(y);
    }
    case 11: return of(P(0) * x * sigmoid(x) + P(1) * spline(x));
    case 12: return of(x > 0 ? x : P(0) * x);
    case 13: return of(x > 0 ? P(0) * x * x + P(1) : P(1));
    case 14: return of(x > 0 ? x : P(0) * expm1q(x));
    case 15: return of(x > 0 ? x : P(0) * expm1q(x / P(0)));
    case 16: {
      const double scale = 1.0507009873554804934193349852946, alpha = 1.6732632423543772848170429916717;
      return of(x > 0 ? scale * x : (q)scale * alpha * expm1q(x));
    }
    case 17: return of(x >= 0 ? x : P(0) * erfq(x));
    case 18: {
      y = x > 0 ? x : 0;
      for (int s = 0; s < lengths[0]; s++)
        if (lists[1][s] > x) y += lists[0][s] * (lists[1][s] - x);
      return of(y);
    }
    case 19: {
      const int n = lengths[2] - 1;
      const double *v = lists[2];
      const q width = (P(1) - P(0)) / n;
      if (x <= P(0)) return of(v[0] + lists[3][0] * (x - P(0)));
      if (x > P(1)) return of(v[n] + lists[3][1] * (x - P(1)));
      int j = (int)((x - P(0)) / width);
      if (j > n - 1) j = n - 1;
      return of(v[j] + ((q)v[j + 1] - v[j]) / width * (x - (P(0) + j * width)));
    }
    case 20: case 21: { /* Snake, SnakeBeta */
      q a = P(0), b = P(family - 20);
      if (c[0]) a = expq(a), b = expq(b);
      q s = sinq(a * x);
      if (a == 0) return of(x); /* without the constant too: the limit */
      return of(x + s * s / (b + c[1]));
    }
    case 22: return of(sinq(P(0) * x));
    case 23:
      y = P(0);
      for (int k = 0; k < lengths[1]; k++) y += lists[1][k] * cosq((k + 1) * x) + lists[2][k] * sinq((k + 1) * x);
      return of(y);
    case 24: {
      q factorial = 1;
      y = P(0);
      for (int k = 0; k < lengths[1]; k++) {
        factorial *= k + 1;
        /* The phase apart: beside a large x it would be lost. */
        const q p = lists[2][k], g = lists[3][k] * x;
        y += lists[1][k] * (cosq(g) * cosq(p) + sinq(g) * sinq(p)) / factorial;
      }
      return of(y);
    }
    case 25: return of(x * sigmoid(P(0) * x));
    case 26: {
      q d = P(0) - P(1);
      return of(d * x * sigmoid(P(2) * d * x) + P(1) * x);
    }
    case 27: return of(x * tanhq(softplus(x)));
    case 28: return of(x * tanhq(expq(x)));
    case 29: return of(x * P(0) * expq(-P(1) * expq(-P(2) * x)));
    case 30: return of(softplus(P(0) * x) / P(0));
    case 31: return of(P(1) * tanhq(P(0) * x) + P(2));
    case 32: return of(P(2) * erfq(P(0) * x + P(1)) + P(3));
    case 33: {
      const q alpha = c[0], g = P(0) * (1 - alpha) * x;
      return of(alpha * x + (1 - alpha) * x * erfcq(-g) / 2);
    }
    case 34: {
      const q beta = c[0], eps = c[1];
      if (x > 0) return of(softplus(P(0)) * x * x + beta * x);
      return of((beta + softplus(P(1))) * (expm1q(x < eps ? x : eps) - x) + beta * x);
    }
  }
  fprintf(stderr, "no family %d\n", family);
  exit(1);
}

static int number(double *to) { return fread(to, sizeof(double), 1, stdin) == 1; }

int main(void) {
  double family, count, x;
  while (number(&family) && family >= 0) {
    if (!number(&count)) return 1;
    for (int k = 0; k < (int)count; k++)
      if (!number(&c[k])) return 1;
    if (!number(&count)) return 1;
    for (int k = 0; k < (int)count; k++) {
      double length;
      if (!number(&length)) return 1;
      lengths[k] = (int)length;
      lists[k] = realloc(lists[k], sizeof(double) * (lengths[k] + 1));
      if ((int)fread(lists[k], sizeof(double), lengths[k], stdin) != lengths[k]) return 1;
    }
    if (family == 0) readField();
    if (!number(&count)) return 1;
    for (long n = (long)count; n > 0; n--) {
      if (!number(&x)) return 1;
      qq y = value((int)family, x);
      double out[2] = {(double)y.h, 0};
      if (finiteq(y.h) && out[0] - out[0] == 0) out[1] = (double)((y.h - out[0]) + y.l);
      if (fwrite(out, sizeof out, 1, stdout) != 1) return 1;
    }
  }
  return 0;
}
