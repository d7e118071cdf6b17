/**
 * `npm run test:certificates [-- COUNT [SEED [FAMILY]]]`: random plans of every family, judged by judge.c (libquadmath, 113 and 226 bits). An
 * error above its plan's certificate is printed with what reproduces it, and the command fails.
 *
 * Faults that it finds with 300 plans or fewer, tried by hand: a constant off by 6·10⁻⁸ (SCALE in src/families/rectifiers.ts); the rounding of stored
 * coefficients not charged (`storeTail` in assembly/fit.ts), nor the remainder of `economise`; a tail that is 10⁻⁴ of Cauchy's bound, as samples would
 * suggest it (`expand` in assembly/jets.ts). What it does not find is one rounding less in the running error analysis (UNIT_ROUNDOFF of `horner`):
 * bounds on operations are worst cases that no input comes near.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Plan } from '../../src/plan/plan.js';
import { inputsOf, judge } from './judging.js';
import { activationOf, Draw, type Options, recordOf, SUBJECTS, type Subject } from './subjects.js';

const [count = 20000, seed = 1] = process.argv.slice(2, 4).map(Number);
const only = process.argv[4];
const POINTS = 400;
/** Plans a run of the judge. */
const BATCH = 100;

const root = fileURLToPath(new URL('../../', import.meta.url));
const binary = `${root}build/judge`;

function makeJudge(): boolean {
  const source = `${root}test/certificates/judge.c`;
  mkdirSync(`${root}build`, { recursive: true });
  const { error, status, stderr } = spawnSync('gcc', ['-O2', source, '-lquadmath', '-lm', '-o', binary]);
  if (error) return false;
  if (status !== 0) throw new Error(`gcc could not build the judge:\n${stderr}`);
  return true;
}

interface Case {
  readonly subject: Subject;
  readonly options: Options;
  readonly plan: Plan;
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly record: number[];
}

interface Tally {
  plans: number;
  refused: number;
  promised: number;
  points: number;
  nearest: number;
  excesses: number;
}

if (!makeJudge()) {
  console.log('skipped: the judge needs gcc, with libquadmath, and there is none here; npm run bring installs it');
  process.exit(0);
}

const tallies = new Map<string, Tally>();
const subjects = only ? SUBJECTS.filter(({ family }) => family === only) : SUBJECTS;
const refusals = new Map<string, string>();
let excesses = 0;

for (let done = 0; done < count; done += BATCH) {
  const cases: Case[] = [];
  for (let k = done; k < Math.min(done + BATCH, count); k++) {
    const draw = new Draw((seed * 1_000_003 + k) >>> 0);
    // A quarter are flows; every other one is hostile.
    const subject = !only && k % 4 === 0 ? SUBJECTS[0]! : draw.pick(subjects);
    const tally = tallies.get(subject.family) ?? {
      plans: 0,
      refused: 0,
      promised: 0,
      points: 0,
      nearest: 0,
      excesses: 0,
    };
    tallies.set(subject.family, tally);
    const options = subject.make(draw, draw.uniform() < 0.6);
    try {
      const act = activationOf(subject, options);
      const { plan } = act;
      const x = inputsOf(plan, draw, POINTS);
      cases.push({ subject, options, plan, x, y: act.forward(x), record: recordOf(subject, options, act, x) });
      tally.plans += 1;
      if (plan.certificate.keepsPromise) tally.promised += 1;
      tally.points += x.length;
    } catch (error) {
      // Poles, functions that are too steep for a table, parameters that make no sense: refused with a sentence.
      if (!(error instanceof RangeError)) {
        console.log(JSON.stringify({ family: subject.family, options }));
        throw error;
      }
      tally.refused += 1;
      refusals.set(`${subject.family}: ${error.message.replace(/-?\d[\d.e+-]*/g, '#')}`, JSON.stringify(options));
    }
  }
  const input = Float64Array.from(cases.flatMap(({ record }) => record));
  const { stdout, status, stderr } = spawnSync(binary, { input: new Uint8Array(input.buffer), maxBuffer: 2 ** 30 });
  if (status !== 0) throw new Error(`the judge stopped: ${stderr}`);
  const truths = new Float64Array(new Uint8Array(stdout).buffer);
  let at = 0;
  for (const { subject, options, plan, x, y } of cases) {
    const { excess, nearest } = judge(plan, x, y, truths.subarray(at, at + 2 * x.length));
    at += 2 * x.length;
    const tally = tallies.get(subject.family)!;
    tally.nearest = Math.max(tally.nearest, excess ? tally.nearest : nearest);
    if (!excess) continue;
    excesses += 1;
    tally.excesses += 1;
    console.log(`EXCESS ${subject.family} ${JSON.stringify(options)} ${JSON.stringify(excess)}`);
  }
  if (process.stderr.isTTY) process.stderr.write(`\r${done + BATCH} of ${count}`);
}

console.log('\nfamily          plans  refused  promise  points     nearest to its certificate  excesses');
for (const [family, t] of [...tallies].sort())
  console.log(
    `${family.padEnd(14)} ${String(t.plans).padStart(6)} ${String(t.refused).padStart(8)} ${((100 * t.promised) / t.plans).toFixed(0).padStart(7)}% ${String(t.points).padStart(8)} ${t.nearest.toFixed(4).padStart(27)} ${String(t.excesses).padStart(9)}`,
  );
if (process.env.REFUSALS) for (const [sentence, options] of refusals) console.log(`refused: ${sentence}\n  ${options}`);
if (excesses > 0) {
  console.log(`${excesses} plans made an error above their certificate`);
  process.exit(1);
}
