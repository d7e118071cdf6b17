/** What the paper's figure 1 learns, and how well that is done. */

/** Directions and weights of the six sines whose sum the regression learns (the paper's figure 1). */
const SINES = [
  [9, -7, 0.4],
  [-9, 11, 0.1],
  [3, 13, 0.15],
  [9, 9, 0.15],
  [13, 5, 0.1],
  [3, 19, 0.1],
] as const;

/** The surface that the regression approximates, on [-1,1]². */
export function targetSurface(x1: number, x2: number, sine: (x: number) => number = Math.sin): number {
  return SINES.reduce((sum, [p, q, weight]) => sum + weight * sine(p * x1 + q * x2), 0);
}

/** 1 - Σ(y - t)²/Σ(t - mean)². */
export function rSquared(y: ArrayLike<number>, target: ArrayLike<number>): number {
  const n = target.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += target[i]! / n;
  let residual = 0;
  let total = 0;
  for (let i = 0; i < n; i++) {
    residual += (y[i]! - target[i]!) ** 2;
    total += (target[i]! - mean) ** 2;
  }
  return 1 - residual / total;
}

/** The values at points of [n][2]. */
export const surfaceAt = (points: Float32Array): Float32Array =>
  Float32Array.from({ length: points.length / 2 }, (_, i) => targetSurface(points[2 * i]!, points[2 * i + 1]!));
