import type { Backend, DeviceBackend, HostBackend, WorkOptions } from '../backends/backend.js';
import { evaluate, WORK_OPTIONS } from '../backends/evaluate.js';
import { defaultBackend } from '../backends/host.js';
import { CHUNK } from '../backends/runner.js';
import { ChannelTables } from '../backends/tables.js';
import {
  describe,
  expectArray,
  expectFloat32Array,
  expectFunction,
  expectInteger,
  expectOneOf,
  expectOptions,
  expectOutput,
  inputFor,
  isView,
  type OptionTable,
} from '../errors.js';
import { decodePlans, encodePlans, PlanError } from '../plan/file.js';
import { type Image, planImage } from '../plan/image.js';
import type { Plan } from '../plan/plan.js';
import { innerSize, LAYOUTS, type Layout } from './layout.js';

export interface ForwardOptions extends WorkOptions {
  /** The tensor's shape, outermost axis first. Needed for several channels first; else only checked. */
  shape?: readonly number[];
}

const FORWARD_OPTIONS = { shape: expectArray, ...WORK_OPTIONS } satisfies OptionTable<ForwardOptions>;

/**
 * An activation function with fixed parameters: one plan for all elements, or one a channel. Knows nothing of what it was
 * compiled from.
 */
export class CompiledActivation {
  readonly channels: number;
  readonly layout: Layout;
  readonly #plan: (channel: number) => Plan;
  readonly #tables: ChannelTables<Image>;

  /** @param plan gives the plan of a channel; asked at most once for each, on first use. */
  constructor(channels: number, layout: Layout, plan: (channel: number) => Plan) {
    this.channels = expectInteger('channels', channels, 1, 65536);
    this.layout = expectOneOf('layout', layout, LAYOUTS);
    expectFunction('plan', plan);
    const plans = new Array<Plan | undefined>(channels);
    this.#plan = (channel) => {
      plans[channel] ??= plan(channel);
      return plans[channel];
    };
    this.#tables = new ChannelTables(() => Array.from({ length: channels }, (_, c) => planImage(this.#plan(c))));
  }

  /**
   * What {@link toBytes} wrote, ready to run; nothing is compiled.
   * @throws {TypeError|PlanError} if the bytes are not plans of this version.
   */
  static fromBytes(bytes: Uint8Array): CompiledActivation {
    const { plans, layout } = decodePlans(bytes);
    const found = LAYOUTS[layout];
    if (found === undefined) throw new PlanError(`the plan file has layout ${layout}, expected 0 or 1`);
    return new CompiledActivation(plans.length, found, (channel) => plans[channel]!);
  }

  /** The plans of all channels, about 20 kB each. */
  toBytes(): Uint8Array {
    const plans = Array.from({ length: this.channels }, (_, channel) => this.#plan(channel));
    return encodePlans(plans, LAYOUTS.indexOf(this.layout));
  }

  /** The plan of a channel, with its certificate. @throws {TypeError|RangeError} if there is no such channel. */
  planOf(channel: number): Plan {
    return this.#plan(expectInteger('channel', channel, 0, this.channels - 1));
  }

  /**
   * y = f(x), elementwise. NaN gives the canonical NaN, ±Infinity the limit; subnormal inputs count as zero.
   *
   * @param x any tensor, flat.
   * @param out where to write; x itself, or an array that does not overlap it. Default: a new array.
   * @throws {TypeError|RangeError} if x, out or shape do not fit; nothing is written then.
   */
  forward(x: Float32Array, out?: Float32Array, options?: ForwardOptions): Float32Array {
    return this.#forward(defaultBackend(), x, out, options) as Float32Array;
  }

  /**
   * The same function on a given backend. On `wasm` and `js` it answers at once. On a device, arrays travel there and back, and a
   * Promise comes; tensors of the device stay there, and a tensor comes at once, to be downloaded or used further.
   */
  on(backend: HostBackend): HostFunction;
  on<T>(backend: DeviceBackend<T>): DeviceFunction<T>;
  on(backend: Backend): {
    forward(x: Float32Array, out?: Float32Array, options?: ForwardOptions): Float32Array | Promise<Float32Array>;
  };
  on(backend: Backend): { forward(x: never, out?: never, options?: ForwardOptions): unknown } {
    expectBackend(backend);
    return {
      forward: (x: unknown, out?: unknown, options?: ForwardOptions) =>
        isView(x, 'Float32Array') || backend.isSynchronous
          ? this.#forward(backend, x as Float32Array, out as Float32Array | undefined, options)
          : this.#forwardTensor(backend, x, out, options),
    };
  }

  #forward(
    backend: Backend,
    x: Float32Array,
    out: Float32Array | undefined,
    options: ForwardOptions | undefined,
  ): Float32Array | Promise<Float32Array> {
    expectFloat32Array('x', x);
    if (out !== undefined) expectOutput(x, out);
    expectOptions('forward', options, FORWARD_OPTIONS);
    const inner = innerSize(this.channels, this.layout, x.length, options?.shape);
    const tables = { images: this.#tables.for(backend), inner };
    const y = out ?? new Float32Array(x.length);
    // One channel's few elements are all read before any is written.
    const isApart = out === undefined || (backend.isSynchronous && this.channels === 1 && x.length <= CHUNK);
    return evaluate(backend, 'activate', tables, isApart ? x : inputFor(x, y), y, options);
  }

  #forwardTensor<T>(backend: Backend<T>, x: T, out: T | undefined, options: ForwardOptions | undefined): T {
    const { length } = expectTensor('x', x);
    expectOptions('forward', options, FORWARD_OPTIONS);
    if (out !== undefined && expectTensor('out', out).length !== length)
      throw new RangeError(`out must have length ${length} as x has, got ${(out as { length: number }).length}`);
    const inner = innerSize(this.channels, this.layout, length, options?.shape);
    const images = this.#tables.for(backend);
    const y = out ?? backend.allocate(length);
    backend.run('activate', { images, inner }, x, y);
    return y;
  }

  /** Backends forget the tables. They make them again if the function is used again. */
  release(): void {
    this.#tables.release();
  }
}

/** `forward` where arrays are answered at once. */
export interface HostFunction {
  forward(x: Float32Array, out?: Float32Array, options?: ForwardOptions): Float32Array;
}

/** `forward` where arrays travel to a device and back, and tensors stay there. */
export interface DeviceFunction<T> {
  forward(x: Float32Array, out?: Float32Array, options?: ForwardOptions): Promise<Float32Array>;
  forward(x: T, out?: T, options?: ForwardOptions): T;
}

export function expectBackend(backend: unknown): void {
  if (typeof backend !== 'object' || backend === null || !('run' in backend))
    throw new TypeError(`backend must come from loadBackend, got ${describe(backend)}`);
}

export function expectTensor(name: string, tensor: unknown): { length: number } {
  if (
    typeof tensor !== 'object' ||
    tensor === null ||
    !('length' in tensor) ||
    !('buffer' in tensor) ||
    ArrayBuffer.isView(tensor)
  )
    throw new TypeError(`${name} must be a Float32Array or a tensor of the backend, got ${describe(tensor)}`);
  return tensor as unknown as { length: number };
}
