import { readdirSync, readFileSync } from 'node:fs';
import { FAMILIES } from 'ditac/families';
import { ulpError } from 'ditac/oracle';

const float64 = (base64) => new Float64Array(new Uint8Array(Buffer.from(base64, 'base64')).buffer);
const numbersOf = (stored) => (Array.isArray(stored) ? stored.map(numbersOf) : (stored.value ?? stored));

/** By family: over how many cases, in ULP where |y| ≥ 2⁻⁸, what was certified, what the released code has, and how many wrong NaN or ∞. */
export function worstErrors(folder) {
  const rows = new Map();
  for (const name of readdirSync(folder)) {
    if (!name.endsWith('.json')) continue;
    const file = JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
    const { family, consts, params, grid, hard, truth } = file;
    const options = {};
    for (const [key, value] of Object.entries(consts))
      options[key === 'logscale' ? 'logScale' : key] = key === 'logscale' ? Boolean(value) : numbersOf(value);
    for (const [key, value] of Object.entries(params)) options[key] = numbersOf(value);
    const version = name.split('_')[1];
    if (family === 'rational') options.version = version === 'KAT' ? 'A' : version;
    if (family === 'eelu') options.member = Number.parseInt(version, 10);
    const row = rows.get(family) ?? { family, cases: 0, worst: 0, certified: 0, released: 0, nan: 0 };
    rows.set(family, row);
    row.cases += 1;
    row.released = Math.max(row.released, file.orig.error.grid_max_ulp, file.orig.error.hard_max_ulp);
    row.nan += file.orig.error.wrong_nan + file.orig.error.wrong_inf;
    let act;
    try {
      act = new FAMILIES[family](options);
    } catch (error) {
      row.refused = error.message;
      continue;
    }
    const x = new Float32Array(grid.count + hard.count);
    for (let i = 0; i < grid.count; i++) x[i] = grid.from + grid.step * i;
    new Uint32Array(x.buffer).set(
      hard.x_bits.map((bits) => Number.parseInt(bits, 16)),
      grid.count,
    );
    const y = act.forward(x);
    const { certificate } = act.plan;
    row.certified = Math.max(row.certified, certificate.ulp);
    float64(truth.y).forEach((exact, i) => {
      const counts = Math.abs(x[i]) >= 2 ** -126 && Math.abs(x[i]) <= certificate.domain;
      if (counts && Math.abs(exact) >= 2 ** -8 && Number.isFinite(y[i]) && Math.abs(exact) < 3.4e38)
        row.worst = Math.max(row.worst, ulpError(y[i], exact));
    });
  }
  return [...rows.values()];
}
