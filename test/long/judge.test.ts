import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Snake } from 'ditac';
import { expect, test } from 'vitest';
import { encode, writeArray } from '../../src/cli/arrays.js';
import { LANES } from '../../src/oracle/enclosure.js';
import { exactFamily } from '../../src/oracle/family.js';
import { Nearest } from '../../src/oracle/nearest.js';
import { FORMAT_NAMES, type Format } from '../../src/oracle/truth.js';
import { generator } from '../truth.js';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const COUNT = Number(process.env.POINTS ?? 1e7);

/** The number of the format after a finite one, further from 0. */
function next(format: Format, value: number): number {
  const bits = encode(format, Float32Array.of(value));
  const word = bits.length === 4 ? new Uint32Array(bits.buffer)[0]! + 1 : new Uint16Array(bits.buffer)[0]! + 1;
  if (format === 'float32') return new Float32Array(Uint32Array.of(word).buffer)[0]!;
  if (format === 'bfloat16') return new Float32Array(Uint32Array.of(word << 16).buffer)[0]!;
  const [e, f] = [(word >> 10) & 31, word & 1023];
  return (word & 0x8000 ? -1 : 1) * (e ? (1 + f / 1024) * 2 ** (e - 15) : f * 2 ** -24);
}

test.each(FORMAT_NAMES)(
  `one unit off in one of ${COUNT} right results in %s is found, and its x printed; a right file passes`,
  (format) => {
    const g = generator(31);
    const folder = mkdtempSync(join(tmpdir(), 'judge-'));
    const [xFile, yFile] = [join(folder, 'x.npy'), join(folder, 'y.npy')];
    const x = Float32Array.from({ length: COUNT }, () => g.between(-20, 20));
    const y = new Float32Array(COUNT);
    const nearest = new Nearest(format, exactFamily(new Snake({ alpha: 0.5 }) as never));
    for (let i = 0; i < COUNT; i += LANES) {
      const n = Math.min(LANES, COUNT - i);
      nearest.find(x, i, n);
      for (let k = 0; k < n; k++) y[i + k] = nearest.rounded[k]!;
    }
    writeArray(xFile, 'float32', x);
    const judge = (...more: string[]) => {
      writeArray(yFile, format, y);
      const start = performance.now();
      const args = [
        'judge',
        '--x',
        xFile,
        '--y',
        yFile,
        '--family',
        'snake',
        '--alpha',
        '0.5',
        '--max-ulp',
        '0.5',
        ...more,
      ];
      // bfloat16 in .npy is two bytes without a type; x says its own.
      const found = spawnSync(
        process.execPath,
        [CLI, ...args, ...(format === 'bfloat16' ? ['--dtype-y', 'bfloat16'] : [])],
        {
          encoding: 'utf8',
        },
      );
      console.log(`${format}: judged in ${((performance.now() - start) / 1000).toFixed(1)} s`);
      return found;
    };
    try {
      expect(judge().status).toBe(0);
      const place = Math.floor(COUNT * 0.7654321);
      y[place] = next(format, y[place]!);
      const { status, stdout } = judge();
      expect(status).toBe(1);
      expect(stdout).toContain(`[${place}] x = ${x[place]}`);
      expect(stdout).toContain(`${(COUNT - 1).toLocaleString('en')} correctly rounded`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
