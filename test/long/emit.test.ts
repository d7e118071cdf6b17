import { compareBits, everyFloat32, randomBits, specialValues, stratified } from 'ditac/oracle';
import { describe, expect, test } from 'vitest';
import { BUILDS, isHere, kernels, Program } from '../emitted.js';

/** Of the first four kernels in all; the others get a hundredth. */
const ELEMENTS = Number(process.env.ELEMENTS ?? 1e8);
const MOST = 1 << 23;

/** Random bits, and numbers that functions are busy at. */
function* inputs(count: number, channels: number): Iterable<Float32Array> {
  const fit = (x: Float32Array) => x.subarray(0, x.length - (x.length % channels));
  yield fit(specialValues());
  const sources = [
    randomBits(count / 2, 5),
    stratified(-20, 20, count / 4, 6),
    everyFloat32(0.5, 0.5 + count / 2 ** 26),
  ];
  for (const source of sources) {
    let parts: Float32Array[] = [];
    let length = 0;
    const join = () => {
      const all = new Float32Array(length);
      let at = 0;
      for (const part of parts) {
        all.set(part, at);
        at += part.length;
      }
      [parts, length] = [[], 0];
      return fit(all);
    };
    for (const block of source.blocks()) {
      parts.push(block.slice());
      length += block.length;
      if (length >= MOST) yield join();
    }
    if (length > 0) yield join();
  }
}

const FIRST = ['ditac 0', 'snake 0', 'aglu 0', 'xielu 0'];

describe.each(BUILDS.map((build) => [build.name, build] as const))('%s', (_, build) => {
  test.skipIf(!isHere(build)).each(kernels().map(({ name, make }) => [name, make] as const))(
    '%s: 0 bits differ',
    (name, make) => {
      const act = make();
      const program = new Program(act, build);
      let [differing, elements] = [0, 0];
      try {
        for (const x of inputs(FIRST.includes(name) ? ELEMENTS : ELEMENTS / 100, act.channels)) {
          const inner = x.length / act.channels;
          const expected = act.forward(x, undefined, { shape: [1, act.channels, inner] });
          differing += compareBits(expected, program.run(x, inner), x).differing;
          elements += x.length;
        }
      } finally {
        program.dispose();
      }
      console.log(`${build.name}, ${name}: ${differing} of ${elements.toLocaleString('en')} differ`);
      expect(differing).toBe(0);
    },
  );
});
