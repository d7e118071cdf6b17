import { type FlowPiece, flowBeyond } from '../cpab/flow.js';
import { exp, log1pRatio, normalDensity, normalDistribution } from '../numeric/elementary.js';
import { ceilToFloat32, floorToFloat32, nextDown } from '../numeric/float32.js';
import { type AnalyticPiece, multiplySeries, TERMS } from '../plan/analytic.js';

/** The analytic pieces of which DiTAC and its variants are made. */

const ROUNDING = 2 ** -51;

/** intercept + slope·x on an interval that is far from the root, or has intercept 0; `slope` 0 is the constant zero. */
export function linearPiece(first: number, last: number, slope: number, intercept = 0): AnalyticPiece {
  return {
    first,
    last,
    linear: { slope, intercept },
    series(centre, _radius, out) {
      out.fill(0);
      out[0] = intercept + slope * centre;
      out[1] = slope;
      return 0;
    },
    rounding: (centre) => 2 ** -53 * (Math.abs(intercept) + Math.abs(slope * centre)),
  };
}

/** Taylor coefficients of Φ about `centre`; returns a bound on the tail for |u| ≤ radius. */
export function normalSeries(centre: number, radius: number, out: Float64Array): number {
  const density = normalDensity(centre);
  out[0] = normalDistribution(centre);
  // φ' = -x·φ gives φ_{n+1} = -(c·φ_n + φ_{n-1})/(n+1), and Φ' = φ.
  let previous = 0;
  let current = density;
  for (let n = 1; n < TERMS; n++) {
    out[n] = current / n;
    const next = -(centre * current + previous) / n;
    previous = current;
    current = next;
  }
  // Cauchy on the unit circle: |φ_n| ≤ max |φ(c+ζ)| ≤ φ(c)·e^{|c|+½}.
  return (density * exp(Math.abs(centre) + 0.5) * radius ** TERMS) / (TERMS * (1 - Math.min(radius, 0.5)));
}

const factor = new Float64Array(TERMS);
const normal = new Float64Array(TERMS);

/** x·Φ(x), the GELU. */
export function geluPiece(first: number, last: number): AnalyticPiece {
  return {
    first,
    last,
    key: 'gelu',
    series(centre, radius, out) {
      const tail = normalSeries(centre, radius, normal);
      factor.fill(0);
      factor[0] = centre;
      factor[1] = 1;
      return multiplySeries(factor, 0, normal, tail, radius, out);
    },
    rounding: (_centre, out) => ROUNDING * Math.abs(out[0]!),
  };
}

/** Taylor coefficients of the flow about `centre`, from y' = w(y)/v(x): y_{n+1} = y_n·(s_j - s_i·n)/(v(c)·(n+1)). */
function flowSeries(piece: FlowPiece, centre: number, radius: number, out: Float64Array): number {
  out[0] = flowBeyond(piece, centre);
  if (piece.gain !== undefined) {
    out.fill(0, 1);
    out[1] = piece.gain;
    return 0;
  }
  const { slopeIn, slopeOut } = piece;
  const q = (centre - piece.x0) / piece.v0;
  const ratio = 1 + slopeIn * q;
  if (!(ratio > 0)) return Number.POSITIVE_INFINITY;
  const v = piece.v0 * ratio;
  const tau = q * log1pRatio(slopeIn * q);
  out[1] = (piece.w0 * exp(slopeOut * tau)) / v;
  for (let n = 1; n < TERMS - 1; n++) out[n + 1] = (out[n]! * (slopeOut - slopeIn * n)) / (v * (n + 1));
  // Beyond, each term is at most `decay` times the one before.
  const decay = (radius * (Math.abs(slopeIn) + Math.abs(slopeOut) / TERMS)) / Math.abs(v);
  if (!(decay < 0.5)) return Number.POSITIVE_INFINITY;
  return (Math.abs(out[TERMS - 1]!) * radius ** (TERMS - 1) * decay) / (1 - decay);
}

function flowRounding(piece: FlowPiece, centre: number, y: number, derivative: number): number {
  return (
    ROUNDING *
    (Math.max(Math.abs(y), Math.abs(piece.y0)) + Math.abs(derivative) * Math.max(Math.abs(centre), Math.abs(piece.x0)))
  );
}

/**
 * The pieces of T between two float32 ends (inclusive), times Φ if `timesNormal`.
 * Pieces that hold no float32 are left out.
 */
export function flowActivationPieces(
  pieces: readonly FlowPiece[],
  first: number,
  last: number,
  timesNormal: boolean,
): AnalyticPiece[] {
  const flow = new Float64Array(TERMS);
  const result: AnalyticPiece[] = [];
  for (const piece of pieces) {
    const from = Math.max(first, piece.left === Number.NEGATIVE_INFINITY ? first : ceilToFloat32(piece.left));
    // The right end belongs to the next piece; both agree there.
    const right = piece.right === Number.POSITIVE_INFINITY ? last : floorToFloat32(piece.right);
    const to = Math.min(last, right === piece.right && piece.right < last ? nextDown(right) : right);
    if (!(from <= to)) continue;
    result.push({
      first: from,
      last: to,
      isAffine: !timesNormal && piece.gain !== undefined,
      series(centre, radius, out) {
        const tail = flowSeries(piece, centre, radius, timesNormal ? flow : out);
        if (!timesNormal || tail === Number.POSITIVE_INFINITY) return tail;
        return multiplySeries(flow, tail, normal, normalSeries(centre, radius, normal), radius, out);
      },
      rounding(centre, out) {
        const y = flowBeyond(piece, centre);
        const scale = timesNormal ? normalDistribution(centre) : 1;
        // out[1] = T'Φ + Tφ; T' alone from it, so that one formula serves both.
        const derivative = timesNormal ? (out[1]! - y * normalDensity(centre)) / scale : out[1]!;
        return scale * flowRounding(piece, centre, y, derivative) + ROUNDING * Math.abs(out[0]!);
      },
    });
  }
  return result;
}
