// Every float32 there is, through ditac's own kernel, against the oracle: `npm run sweep:all`, `npm run sweep:all snake`. Reports go on where they were
// stopped (out/sweep), and are written down in docs/sweeps.md.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { FAMILIES } from '../dist/families.js';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** A member of each family, as a trained network may have it. */
const SWEPT = {
  ditac: ['--interval=-3,3', '--variant', 'gelu', '--thetas', '0.25,0.27,0.04,-0.23,-0.29,-0.08,0.2,0.3,0.12'],
  snake: ['--family', 'snake', '--alpha', '0.5'],
  aglu: ['--family', 'aglu', '--lambda', '0.6', '--kappa', '1.1'],
  xielu: ['--family', 'xielu', '--alpha-p', '0.3', '--alpha-n', '-0.8'],
};
/** `--write` only writes down what reports say. */
const isWritten = process.argv.includes('--write');
const asked = process.argv.slice(2).filter((each) => each !== '--write');
for (const name of asked)
  if (!(name in SWEPT)) {
    console.error(`sweep:all knows ${Object.keys(SWEPT).join(', ')}; got ${name}`);
    process.exit(2);
  }

mkdirSync('out/sweep', { recursive: true });
for (const name of isWritten ? [] : asked.length > 0 ? asked : Object.keys(SWEPT)) {
  const report = `out/sweep/${name}.json`;
  const facts = `out/sweep/${name}.facts.json`;
  const args = ['dist/cli.js', 'sweep', '--every', '--seeds', '1', ...SWEPT[name], '--report', report];
  const start = performance.now();
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  const before = existsSync(facts) ? JSON.parse(readFileSync(facts, 'utf8')) : { seconds: 0 };
  const seconds = before.seconds + (performance.now() - start) / 1000;
  writeFileSync(facts, JSON.stringify({ seconds, isRight: status === 0 }));
  if (status !== 0 && status !== 1) process.exit(status ?? 1);
}

const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
const machine = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, Node ${process.version}`;
const rows = [];
for (const [name, args] of Object.entries(SWEPT)) {
  const report = `out/sweep/${name}.json`;
  if (!existsSync(report)) continue;
  const { range, result, parts, done } = JSON.parse(readFileSync(report, 'utf8'));
  const facts = `out/sweep/${name}.facts.json`;
  const seconds = existsSync(facts) ? JSON.parse(readFileSync(facts, 'utf8')).seconds : 0;
  const isWhole = done.length === parts;
  // Reports hold what is no number in JSON as strings.
  const at = (error, x) => `${Number(error).toFixed(4)} at ${x}`;
  const whole = (n) => n.toLocaleString('en');
  const title = FAMILIES[name]?.family?.name ?? 'DiTAC';
  rows.push(
    `| ${title} | \`${args.join(' ')}\` | ${whole(result.count)}${isWhole ? '' : ` (${done.length} of ${parts} parts: not whole yet)`}${Math.abs(range[0]) < 3e38 ? `, \\|x\\| ≤ ${range[1]}` : ''} | ${at(result.ulp, result.ulpAt)} | ` +
      `${at(result.ulpSmall, result.ulpSmallAt)} | ${(result.absolute * 2 ** 47).toFixed(4)} at ${result.absoluteAt} | ${(100 * result.nearest).toFixed(3)} % | ${whole(result.byLongArithmetic)} | ` +
      `${seconds > 0 ? `${(seconds / 60).toFixed(0)} min` : '–'} |`,
  );
}
if (rows.length > 0)
  writeFileSync(
    'docs/sweeps.md',
    `---
title: Every float32
---

# Every float32

\`npm run sweep:all\` puts every finite float32 through \`forward\` and compares each result with the oracle ([how](oracle.md)); of a periodic family, every one
up to 2¹⁶ periods, as far as bounds are proved. Subnormal inputs count as 0, which is what is promised of them. NaN, infinities and -0 are in \`npm test\`. A sweep that is stopped goes on with the same command.

Last run ${new Date().toISOString().slice(0, 10)}, commit ${commit}, ${machine}, shared with other work: minutes say little.

| family | \`ditac sweep --every\` with | inputs | \\|y\\| ≥ 2⁻⁸: worst error / ULP | 2⁻²⁴ ≤ \\|y\\| < 2⁻⁸: / ULP | below: / 2⁻⁴⁷ | correctly rounded | asked of long arithmetic | time |
|---|---|---|---|---|---|---|---|---|
${rows.join('\n')}

Promised are 1 ULP, 2 ULP and 2⁻⁴⁷.
`,
  );
