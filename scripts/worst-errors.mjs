// The worst error of every family over its golden files, and of the code released with its paper.
import { worstErrors } from './family-errors.mjs';

const short = (n) => (n < 100 ? n.toPrecision(3) : n.toExponential(0));
const golden = new URL('../test/golden/families/', import.meta.url);
for (const { family, cases, worst, certified, released, nan, refused } of worstErrors(golden))
  console.log(
    [
      family,
      cases,
      worst.toFixed(2),
      certified.toFixed(2),
      short(released) + (nan > 0 ? ` and ${nan} NaN or ∞` : ''),
      refused ?? '',
    ].join(' | '),
  );
