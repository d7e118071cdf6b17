/**
 * `npm run test:gradients [-- COUNT [SEED [FAMILY]]]`: gradients of random members of every family, one input at a time, judged by the oracle. An
 * error above the gradient certificate is printed with what reproduces it, and the command fails. The largest derivative up to an input is taken
 * from the inputs, and from more places only where that is too little, which makes the certificate smaller than it is.
 */
import Table from 'cli-table3';
import { type GradientBound, gradientCertificate } from 'ditac';
import { exactDerivative, type Truth } from 'ditac/oracle';
import { PLAIN } from '../../src/cli/terminal.js';
import { reachUpTo } from './judging.js';
import { activationOf, Draw, SUBJECTS } from './subjects.js';

const [count = 300, seed = 1] = process.argv.slice(2, 4).map(Number);
const only = process.argv[4];
const POINTS = 40;
/** Of a list of parameters the first and the last are judged. */
const [FIRST, LAST] = [6, 2];
/** Derivatives from here on are left out: a gradient that is no float32 has no certificate. */
const HUGE = 2 ** 127;
/** What float32 holds as subnormal numbers, or not at all. */
const LEAST_NORMAL = 2 ** -126;
const FARTHEST = 2 ** 30;

/** Inputs of every size and usual ones, from the nearest to the farthest. */
function inputsOf(draw: Draw, domain: number): Float32Array {
  const all = Array.from({ length: POINTS }, (_, k) =>
    k % 4 === 0 ? draw.wild(-40, 20) : k % 4 === 1 ? draw.between(-16, 16) : 1.5 * draw.normal(),
  );
  return Float32Array.from(all.filter((x) => Math.abs(x) < domain)).sort((p, q) => Math.abs(p) - Math.abs(q));
}

interface Gradients {
  readonly gradX: Float32Array;
  readonly gradients: Readonly<Record<string, Float32Array>>;
}

const tallies = new Map<
  string,
  { members: number; refused: number; results: number; worst: number; excesses: number }
>();

for (let k = 0; k < count; k++) {
  const draw = new Draw((seed * 1_000_003 + k) >>> 0);
  const subject = draw.pick(only ? SUBJECTS.filter(({ family }) => family === only) : SUBJECTS);
  const { family } = subject;
  const tally = tallies.get(family) ?? { members: 0, refused: 0, results: 0, worst: 0, excesses: 0 };
  tallies.set(family, tally);
  const options = subject.make(draw, draw.uniform() < 0.5);
  const gradientsOf = (act: ReturnType<typeof activationOf>, x: number): Gradients =>
    (act as unknown as { backward(x: Float32Array, gradY: Float32Array): Gradients }).backward(
      Float32Array.of(x),
      Float32Array.of(1),
    );
  let act: ReturnType<typeof activationOf>;
  let certificate: ReturnType<typeof gradientCertificate>;
  try {
    act = activationOf(subject, options);
    certificate = gradientCertificate(act as unknown as Parameters<typeof gradientCertificate>[0]);
    gradientsOf(act, 1);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    tally.refused += 1;
    continue;
  }
  tally.members += 1;
  const x = inputsOf(draw, Math.min(certificate.domain, FARTHEST));
  const computed = Array.from(x, (at) => gradientsOf(act, at));
  const judge = (
    what: string,
    truth: (x: number) => Truth,
    { share, of }: GradientBound,
    is: (i: number) => number,
  ) => {
    let reach = of;
    x.forEach((at, i) => {
      const { hi } = truth(at);
      if (!(Math.abs(hi) < HUGE)) return;
      reach = Math.max(reach, Math.abs(hi));
      const off = Math.abs(is(i) - hi);
      reach = reachUpTo(at, truth, reach, (size) => off <= share * size + LEAST_NORMAL);
      const allowed = share * reach + LEAST_NORMAL;
      tally.results += 1;
      if (allowed > 2 * LEAST_NORMAL) tally.worst = Math.max(tally.worst, off / allowed);
      if (off <= allowed) return;
      tally.excesses += 1;
      console.log(
        `${family} ${JSON.stringify(options)}: ${what} at ${at} is ${is(i)}, not ${hi}; certified ${allowed}`,
      );
    });
  };
  judge('∂f/∂x', exactDerivative(act as never, 'x'), certificate.slope, (i) => computed[i]!.gradX[0]!);
  let place = 0;
  for (const [name, bounds] of Object.entries(certificate.parameters))
    for (const [n, bound] of bounds.entries()) {
      const by = place++;
      if (n < FIRST || n >= bounds.length - LAST)
        judge(`∂f/∂${name}[${n}]`, exactDerivative(act as never, by), bound, (i) => computed[i]!.gradients[name]![n]!);
    }
}

const table = new Table({
  style: PLAIN,
  head: ['family', 'members', 'refused', 'derivatives', 'nearest to its certificate', 'excesses'],
});
for (const [family, { members, refused, results, worst, excesses }] of [...tallies].sort())
  table.push([family, members, refused, results, worst.toFixed(4), excesses]);
console.log(table.toString());
const excesses = [...tallies.values()].reduce((sum, each) => sum + each.excesses, 0);
console.log(`${excesses} errors above a certificate`);
process.exit(excesses > 0 ? 1 : 0);
