import { describe, expectFloat32Array, expectInteger, isArrayBuffer } from '../../errors.js';
import { alignImage, type BackwardImage, type Image, MOST_IMAGE_ADDRESS, WINDOWS } from '../../plan/image.js';
import type { Moments } from '../../plan/moments.js';
import type { Device, DeviceBuffer, DeviceProblem } from '../../platform.js';
import type { DeviceBackend, Kernel, ProbeFailure, Tables } from '../backend.js';
import { asBackendError, BackendError } from '../errors.js';
import { hostBackend } from '../host.js';
import { failedProbes } from '../probes.js';
import { findDevice, type WebGpuOptions } from './device.js';
import { DeviceLostError } from './errors.js';
import { type Entry, type Shader, type ShaderOptions, shader, WORKGROUP } from './shader.js';

export { BackendError } from '../errors.js';
export type { WebGpuOptions } from './device.js';
export { DeviceLostError } from './errors.js';
export { shader } from './shader.js';

/** GPUBufferUsage, which is not a global everywhere. */
const MAP_READ = 0x1;
const COPY_SRC = 0x4;
const COPY_DST = 0x8;
const UNIFORM = 0x40;
const STORAGE = 0x80;
const MAP_MODE_READ = 0x1;

/** WebGPU's own limit for one dimension of a dispatch, which no implementation raises. */
const MOST_GROUPS = 65535;
const CALL_WORDS = 12;
/** Elements of one dispatch: bounds the list of those whom no cell answers. */
const MOST_ELEMENTS = 2 ** 24;
/** Workgroups that search for listed elements; few are listed as a rule. */
const SEARCHING_GROUPS = 256;
/** Bytes of sums in one buffer. */
const MOST_SUMS_BYTES = 2 ** 26;
const KEPT_READERS = 4;

/** Floats in a device's memory: the whole of a GPUBuffer with usage STORAGE | COPY_SRC | COPY_DST. */
export class GpuTensor {
  readonly buffer: DeviceBuffer;
  readonly length: number;
  /** What may have gone wrong in making its buffer, and in writing what it holds; `download` waits for these. */
  readonly problems: readonly Problem[];
  readonly #made: readonly Problem[];

  constructor(buffer: DeviceBuffer, length: number, made: readonly Problem[] = []) {
    this.buffer = buffer;
    this.length = length;
    this.#made = made;
    this.problems = made;
  }

  /** It was written as a whole: what went wrong with what it held before no longer matters. */
  wasWritten(problems: readonly Problem[]): void {
    const found = Promise.all(problems).then((all) => all.find(Boolean) ?? null);
    // Reported by whoever downloads; nobody may.
    found.catch(() => {});
    (this as { problems: readonly Problem[] }).problems = [...this.#made, found];
  }
}

function expectGpuTensor(name: string, value: unknown): void {
  if (!(value instanceof GpuTensor))
    throw new TypeError(`${name} must be a tensor of this backend, got ${describe(value)}`);
}

/** What went wrong with something that the device was asked for, if anything; known later. */
type Problem = Promise<DeviceProblem | null>;

/** The shaders of a kernel that goes over a tensor twice. */
interface TwoPasses {
  readonly kernel: Shader;
  readonly entries: readonly [Entry, Entry];
}
const ACTIVATE: TwoPasses = { kernel: 'activate', entries: ['cells', 'search'] };
const BACKWARD: TwoPasses = { kernel: 'backward', entries: ['slopes', 'rest'] };

/** The tables of channels `from` to `to`. */
interface TableBuffer {
  readonly buffer: GPUBuffer;
  readonly from: number;
  readonly to: number;
  readonly problem: Problem;
}

/**
 * The kernels on WebGPU. WGSL leaves compilers more freedom than the numerics contract does, so the device is probed when the
 * backend starts; `exact` and `failures` say what was found.
 */
export class WebGpuBackend implements DeviceBackend<GpuTensor> {
  readonly name = 'webgpu';
  readonly device: string;
  readonly isSynchronous = false;
  readonly maxLength: number;
  /** The GPUDevice, for sharing buffers with code of your own. */
  readonly gpuDevice: Device;
  readonly #withBarriers: boolean;
  readonly #ownsDevice: boolean;
  readonly #call: GPUBuffer;
  readonly #pipelines = new Map<string, GPUComputePipeline>();
  readonly #tables = new WeakMap<readonly Image[], TableBuffer[]>();
  /** Tables whose owner was collected give their buffers back. */
  readonly #registry = new FinalizationRegistry<TableBuffer[]>((tables) => {
    for (const { buffer } of tables) this.#destroy(buffer);
  });
  readonly #readers: GPUBuffer[] = [];
  #list: GPUBuffer | undefined;
  readonly #live = new Set<GPUBuffer>();
  #failures: readonly ProbeFailure[] = [];
  #lost: GPUDeviceLostInfo | undefined;
  #probeMs = 0;

  private constructor(gpuDevice: GPUDevice, device: string, options: WebGpuOptions) {
    this.gpuDevice = gpuDevice;
    this.device = device;
    this.#withBarriers = options.barriers ?? true;
    this.#ownsDevice = options.device === undefined;
    const { maxStorageBufferBindingSize, maxBufferSize } = gpuDevice.limits;
    this.maxLength = 4 * Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / 16);
    this.#call = this.#create(16 * Math.ceil(CALL_WORDS / 4), UNIFORM | COPY_DST);
    gpuDevice.lost.then((info) => {
      this.#lost = info;
    });
  }

  /** @throws {TypeError} for a device that is none. @throws {BackendError} if there is no device, or its probe does not run. */
  static async start(options: WebGpuOptions): Promise<WebGpuBackend> {
    const { device, description } = await findDevice(options);
    let backend: WebGpuBackend | undefined;
    try {
      backend = new WebGpuBackend(device, description, options);
      await backend.#compileShaders();
      const before = performance.now();
      backend.#failures = await failedProbes(backend, hostBackend('js'));
      backend.#probeMs = performance.now() - before;
      return backend;
    } catch (cause) {
      const reason = backend ? await backend.#explain(cause) : cause;
      try {
        backend?.dispose();
      } catch {
        // What went wrong first is what matters.
      }
      throw asBackendError(`no WebGPU here: it does not work on ${description}`, reason);
    }
  }

  get exact(): boolean {
    return this.#failures.length === 0;
  }

  get failures(): readonly ProbeFailure[] {
    return this.#failures;
  }

  /** How long the probe took, once the shaders were compiled. */
  get probeMs(): number {
    return this.#probeMs;
  }

  /** False once the device is lost or the backend disposed. */
  get isAlive(): boolean {
    return this.#lost === undefined;
  }

  /** How many buffers this backend holds, and their bytes. */
  get memory(): { buffers: number; bytes: number } {
    let bytes = 0;
    for (const { size } of this.#live) bytes += size;
    return { buffers: this.#live.size, bytes };
  }

  allocate(length: number): GpuTensor {
    this.#expectAlive();
    expectInteger('length', length, 0, Number.MAX_SAFE_INTEGER);
    if (length > this.maxLength) {
      throw new RangeError(`a tensor on this device holds at most ${this.maxLength} floats, got ${length}`);
    }
    const [buffer, problem] = this.#checked(() =>
      this.#create(16 * Math.max(Math.ceil(length / 4), 1), STORAGE | COPY_SRC | COPY_DST),
    );
    return new GpuTensor(buffer, length, [problem]);
  }

  /**
   * A tensor that is a buffer of the caller's, on `gpuDevice`, from its first byte. `free` leaves the buffer alone.
   * @throws {TypeError|RangeError} if the buffer is too small or lacks the usages STORAGE, COPY_SRC and COPY_DST.
   */
  wrap(buffer: DeviceBuffer, length: number): GpuTensor {
    this.#expectAlive();
    expectInteger('length', length, 0, this.maxLength);
    if (typeof buffer !== 'object' || buffer === null || typeof buffer.usage !== 'number')
      throw new TypeError(`buffer must be a GPUBuffer, got ${describe(buffer)}`);
    if (buffer.size < 4 * length)
      throw new RangeError(`${length} floats need ${4 * length} bytes, the buffer has ${buffer.size}`);
    const needed = STORAGE | COPY_SRC | COPY_DST;
    if ((buffer.usage & needed) !== needed)
      throw new RangeError(
        `buffer must have the usages STORAGE, COPY_SRC and COPY_DST, got 0x${buffer.usage.toString(16)}`,
      );
    return new GpuTensor(buffer, length);
  }

  upload(values: Float32Array): GpuTensor {
    expectFloat32Array('values', values);
    const tensor = this.allocate(values.length);
    // A shared buffer is not taken everywhere.
    const plain = isArrayBuffer(values.buffer) ? (values as Float32Array<ArrayBuffer>) : values.slice();
    if (values.length > 0) this.gpuDevice.queue.writeBuffer(tensor.buffer, 0, plain);
    return tensor;
  }

  async download(tensor: GpuTensor, given?: Float32Array): Promise<Float32Array> {
    this.#expectAlive();
    expectGpuTensor('tensor', tensor);
    const into = given === undefined ? new Float32Array(tensor.length) : expectFloat32Array('into', given);
    if (into.length !== tensor.length)
      throw new RangeError(`into must have length ${tensor.length} as the tensor has, got ${into.length}`);
    if (tensor.length === 0) return into;
    const bytes = 4 * tensor.length;
    const [reader, problem] = this.#checked(() => {
      const free = this.#readers.findIndex(({ size }) => size >= bytes && size <= 4 * bytes);
      const found = free >= 0 ? this.#readers.splice(free, 1)[0]! : this.#create(bytes, MAP_READ | COPY_DST);
      const encoder = this.gpuDevice.createCommandEncoder();
      encoder.copyBufferToBuffer(tensor.buffer, 0, found, 0, bytes);
      this.gpuDevice.queue.submit([encoder.finish()]);
      return found;
    });
    try {
      // Asked for before anything is awaited, so that calls finish in the order in which they were made.
      const mapped = reader.mapAsync(MAP_MODE_READ, 0, bytes);
      mapped.catch(() => {});
      for (const error of await Promise.all([...tensor.problems, problem])) {
        if (error) throw new BackendError(`the device refused the work: ${error.message}`);
      }
      await mapped;
      into.set(new Float32Array(reader.getMappedRange(0, bytes)));
      reader.unmap();
    } catch (cause) {
      this.#destroy(reader);
      throw await this.#explain(cause);
    }
    this.#readers.push(reader);
    if (this.#readers.length > KEPT_READERS) this.#destroy(this.#readers.shift()!);
    return into;
  }

  free(tensor: GpuTensor): void {
    expectGpuTensor('tensor', tensor);
    // Only what `allocate` made; a caller's own buffer stays.
    if (this.#live.has(tensor.buffer)) this.#destroy(tensor.buffer);
  }

  run(kernel: Kernel, { images, inner, offset = 0 }: Tables, x: GpuTensor, y: GpuTensor): void {
    this.#expectAlive();
    if (y.length === 0) return;
    // Only the place within one round of all channels matters, and it fits 32 bits.
    const start = offset % (inner * images.length);
    const isFourfold = kernel === 'activate' && this.#takesFour(inner, images.length, start, x, y);
    const isPlain = images.length === 1 && x.length >= y.length;
    const problems: Problem[] = x.problems.slice();
    for (const tables of this.#tablesOf(images)) {
      problems.push(tables.problem);
      for (let first = 0; first < y.length; first += MOST_ELEMENTS) {
        const end = Math.min(first + MOST_ELEMENTS, y.length);
        const call = Uint32Array.of(first, end, start, inner, images.length, tables.from, tables.to, x.length, 0);
        const [, problem] = this.#checked(() => {
          this.gpuDevice.queue.writeBuffer(this.#call, 0, call);
          const inputs = { x: x.buffer };
          if (isFourfold) this.#inTwoPasses(ACTIVATE, end - first, isPlain, tables.buffer, y.buffer, inputs);
          else this.#submit([{ kernel, count: end - first }], isPlain, tables.buffer, y.buffer, inputs);
        });
        this.#renewList(problem);
        problems.push(problem);
      }
    }
    y.wasWritten(problems);
  }

  async backward(
    { images, inner, offset = 0 }: Tables<BackwardImage>,
    x: GpuTensor,
    gradY: GpuTensor,
    gradX: GpuTensor,
    moments: readonly Moments[],
  ): Promise<void> {
    this.#expectAlive();
    const { length } = gradY;
    if (length === 0) return;
    const start = offset % (inner * images.length);
    const isPlain = images.length === 1 && x.length >= length;
    const isFourfold = this.#takesFour(inner, images.length, start, x, gradY, gradX);
    const { windowLength } = images[0]!;
    const bytes = 8 * WINDOWS * windowLength;
    const most = Math.max(1, Math.floor(Math.min(MOST_SUMS_BYTES, 4 * this.maxLength) / bytes));
    const problems: Problem[] = [...x.problems, ...gradY.problems];
    const sums: { from: number; to: number; words: Promise<Float32Array> }[] = [];
    for (const tables of this.#tablesOf(images)) {
      problems.push(tables.problem);
      for (let { from } = tables; from < tables.to; from += most) {
        const to = Math.min(from + most, tables.to);
        // A new buffer is zero.
        const total = this.allocate((bytes * (to - from)) / 4);
        for (let first = 0; first < length; first += MOST_ELEMENTS) {
          const end = Math.min(first + MOST_ELEMENTS, length);
          const call = [first, end, start, inner, images.length, tables.from, tables.to, x.length, 0, from, to, bytes];
          const [, problem] = this.#checked(() => {
            this.gpuDevice.queue.writeBuffer(this.#call, 0, Uint32Array.from(call));
            const inputs = { x: x.buffer, gradY: gradY.buffer };
            const count = end - first;
            if (isFourfold)
              this.#inTwoPasses(BACKWARD, count, isPlain, tables.buffer, gradX.buffer, inputs, total.buffer);
            else {
              const dispatches = [{ kernel: 'backward', entry: 'backward', count }] as const;
              this.#submit(dispatches, isPlain, tables.buffer, gradX.buffer, inputs, total.buffer);
            }
          });
          this.#renewList(problem);
          problems.push(problem);
        }
        total.wasWritten(problems);
        sums.push({ from, to, words: this.download(total) });
        this.free(total);
      }
    }
    gradX.wasWritten(problems);
    // All are waited for, so that a failure leaves no rejection behind.
    const results = await Promise.allSettled(sums.map(({ words }) => words));
    results.forEach((result, k) => {
      if (result.status === 'rejected') throw result.reason;
      const lower = new Uint32Array(result.value.buffer);
      const upper = new Int32Array(result.value.buffer);
      for (let c = sums[k]!.from, at = 0; c < sums[k]!.to; c++) {
        for (let window = 0; window < WINDOWS; window++, at += 2 * windowLength) {
          moments[c]!.addWords(window, lower.subarray(at), upper.subarray(at));
        }
      }
    });
  }

  /** Whether every four neighbours share a channel and lie together in all buffers, padding included. */
  #takesFour(inner: number, channels: number, start: number, x: GpuTensor, ...others: readonly GpuTensor[]): boolean {
    const isWhole = ({ buffer, length }: GpuTensor) =>
      length % 4 === 0 ? buffer.size % 16 === 0 : this.#live.has(buffer);
    return (
      (channels === 1 || (inner % 4 === 0 && start % 4 === 0)) &&
      (x.length >= others[0]!.length || x.length % 4 === 0) &&
      isWhole(x) &&
      others.every(isWhole)
    );
  }

  /** One pass for all, in groups of four, then one for those whom it left and listed. */
  #inTwoPasses(
    { kernel, entries: [all, rest] }: TwoPasses,
    count: number,
    isPlain: boolean,
    tables: GPUBuffer,
    result: GPUBuffer,
    inputs: { x: GPUBuffer; gradY?: GPUBuffer },
    sums?: GPUBuffer,
  ): void {
    // One word for the number, and one for each group of four.
    const bytes = 4 * (1 + Math.ceil(count / 4));
    if (this.#list === undefined || this.#list.size < bytes) {
      if (this.#list) this.#destroy(this.#list);
      this.#list = this.#create(2 ** Math.ceil(Math.log2(bytes)), STORAGE | COPY_DST);
    }
    const dispatches = [
      { kernel, entry: all, count: Math.ceil(count / 4) },
      { kernel, entry: rest, count: Math.min(count, SEARCHING_GROUPS * WORKGROUP) },
    ];
    this.#submit(dispatches, isPlain, tables, result, inputs, sums, this.#list);
  }

  /** Hands dispatches over, each with so many invocations. Bindings are the call, tables, the result, inputs, and what is listed or summed. */
  #submit(
    dispatches: readonly { kernel: Shader; entry?: NonNullable<ShaderOptions['entry']>; count: number }[],
    isPlain: boolean,
    tables: GPUBuffer,
    result: GPUBuffer,
    inputs: { x: GPUBuffer; gradY?: GPUBuffer },
    sums?: GPUBuffer,
    list?: GPUBuffer,
  ): void {
    const { x, gradY } = inputs;
    const inPlace = (['x', 'gradY'] as const).filter((name) => inputs[name] === result);
    const bound = [this.#call, tables, result, x, ...[gradY, sums, list].filter((each) => each !== undefined)];
    const entries = bound
      .map((buffer, binding) => ({ binding, resource: { buffer } }))
      .filter(({ binding, resource }) => binding <= 2 || resource.buffer !== result);
    const encoder = this.gpuDevice.createCommandEncoder();
    if (list) encoder.clearBuffer(list, 0, 4);
    const pass = encoder.beginComputePass();
    for (const { kernel, entry = 'each', count } of dispatches) {
      const pipeline = this.#pipeline(kernel, { entry, inPlace, isPlain });
      const groups = Math.ceil(count / WORKGROUP);
      const rows = Math.ceil(groups / MOST_GROUPS);
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, this.gpuDevice.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
      // Evenly: groups beyond the last element cost as much as others on some devices.
      pass.dispatchWorkgroups(Math.ceil(groups / rows), rows);
    }
    pass.end();
    this.gpuDevice.queue.submit([encoder.finish()]);
  }

  release(images: readonly Image[]): void {
    for (const { buffer } of this.#tables.get(images) ?? []) this.#destroy(buffer);
    this.#tables.delete(images);
    this.#registry.unregister(images);
  }

  dispose(): void {
    for (const buffer of [...this.#live]) this.#destroy(buffer);
    this.#readers.length = 0;
    this.#list = undefined;
    this.#lost ??= { reason: 'destroyed', message: 'the backend was disposed' } as GPUDeviceLostInfo;
    if (this.#ownsDevice) this.gpuDevice.destroy();
  }

  /** Tables of all channels, in as many buffers as the limits ask for; each begins with a directory of its channels' addresses. */
  #tablesOf(images: readonly Image[]): readonly TableBuffer[] {
    const known = this.#tables.get(images);
    if (known) return known;
    const most = Math.min(MOST_IMAGE_ADDRESS, 4 * this.maxLength);
    const tables: TableBuffer[] = [];
    for (let from = 0; from < images.length; ) {
      let to = from;
      let bytes = 0;
      while (
        to < images.length &&
        (to === from || bytes + alignImage(images[to]!.bytes) + 4 * (to - from + 9) <= most)
      ) {
        bytes += alignImage(images[to]!.bytes);
        to += 1;
      }
      tables.push(this.#uploadTables(images, from, to, bytes));
      from = to;
    }
    // What could not be made is made again the next time.
    for (const { problem } of tables)
      this.#ifFailed(problem, () => {
        if (this.#tables.get(images) === tables) this.release(images);
      });
    this.#tables.set(images, tables);
    this.#registry.register(images, tables, images);
    return tables;
  }

  #uploadTables(images: readonly Image[], from: number, to: number, bytes: number): TableBuffer {
    const directory = alignImage(4 * (to - from));
    const memory = new ArrayBuffer(directory + bytes);
    const floats = new Float32Array(memory);
    const words = new Int32Array(memory);
    for (let c = from, address = directory; c < to; c++) {
      words[c - from] = address;
      images[c]!.write(floats, words, address);
      address += alignImage(images[c]!.bytes);
    }
    const [buffer, problem] = this.#checked(() => {
      const created = this.#create(memory.byteLength, STORAGE | COPY_DST);
      this.gpuDevice.queue.writeBuffer(created, 0, memory);
      return created;
    });
    return { buffer, from, to, problem };
  }

  #pipeline(kernel: Shader, options: ShaderOptions): GPUComputePipeline {
    const key = keyOf(kernel, options);
    let pipeline = this.#pipelines.get(key);
    if (!pipeline) {
      const [created, problem] = this.#checked(() =>
        this.gpuDevice.createComputePipeline(this.#describePipeline(kernel, options)),
      );
      this.#ifFailed(problem, () => this.#pipelines.delete(key));
      this.#pipelines.set(key, created);
      pipeline = created;
    }
    return pipeline;
  }

  #describePipeline(kernel: Shader, options: ShaderOptions): GPUComputePipelineDescriptor {
    const code = shader(kernel, { ...options, barriers: this.#withBarriers });
    const module = this.gpuDevice.createShaderModule({ code, label: `ditac ${keyOf(kernel, options)}` });
    return { layout: 'auto', compute: { module, entryPoint: 'main' } };
  }

  /** Compiles the shaders that arrays need at once, where that can be done in parallel. */
  async #compileShaders(): Promise<void> {
    const needed: [Shader, ShaderOptions][] = [
      ['activate', { entry: 'cells', inPlace: ['x'] }],
      ['activate', { entry: 'search', inPlace: ['x'] }],
      ['flow', { entry: 'each', inPlace: ['x'] }],
      ['probe', { entry: 'each', inPlace: ['x'] }],
      ['backward', { entry: 'slopes', inPlace: ['gradY'] }],
      ['backward', { entry: 'rest', inPlace: ['gradY'] }],
    ];
    await Promise.all(
      needed.map(async ([kernel, needs]) => {
        const options = { ...needs, isPlain: true };
        const pipeline = await this.gpuDevice.createComputePipelineAsync(this.#describePipeline(kernel, options));
        this.#pipelines.set(keyOf(kernel, options), pipeline);
      }),
    );
  }

  #create(size: number, usage: number): GPUBuffer {
    const buffer = this.gpuDevice.createBuffer({ size, usage });
    this.#live.add(buffer);
    return buffer;
  }

  #destroy(buffer: GPUBuffer): void {
    this.#live.delete(buffer);
    buffer.destroy();
  }

  /** Runs something that talks to the device, and promises what went wrong, if anything. */
  #checked<R>(work: () => R): [R, Problem] {
    const { gpuDevice } = this;
    gpuDevice.pushErrorScope('validation');
    gpuDevice.pushErrorScope('out-of-memory');
    const problem = () =>
      Promise.all([gpuDevice.popErrorScope(), gpuDevice.popErrorScope()]).then(
        ([memory, invalid]) => memory ?? invalid,
      );
    let result: R;
    try {
      result = work();
    } catch (cause) {
      problem().catch(() => {});
      throw cause;
    }
    const found = problem();
    // Reported by whoever downloads; nobody may.
    found.catch(() => {});
    return [result, found];
  }

  #ifFailed(problem: Problem, then: () => void): void {
    problem.then((error) => error && then()).catch(() => {});
  }

  /** If a call was refused, the list that is kept for the next one may be to blame: it may have got no memory. */
  #renewList(problem: Problem): void {
    const list = this.#list;
    if (list === undefined) return;
    this.#ifFailed(problem, () => {
      if (this.#list !== list) return;
      this.#destroy(list);
      this.#list = undefined;
    });
  }

  #expectAlive(): void {
    if (this.#lost) throw new DeviceLostError(this.#lost);
  }

  /** The reason of a failure: mostly that the device is gone, which is known a moment later. */
  async #explain(cause: unknown): Promise<unknown> {
    if (cause instanceof BackendError && this.isAlive) return cause;
    await Promise.race([this.gpuDevice.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
    return this.#lost ? new DeviceLostError(this.#lost) : cause;
  }
}

const keyOf = (kernel: Shader, { entry, inPlace = [], isPlain }: ShaderOptions) =>
  `${kernel} ${entry} ${inPlace.join(' ')}${isPlain ? ' plain' : ''}`;

let shared: Promise<WebGpuBackend> | undefined;

/** The backend on the default device, started once; a new one for options, or after the device was lost. */
export async function loadWebGpu(options?: WebGpuOptions): Promise<WebGpuBackend> {
  if (options !== undefined) return WebGpuBackend.start(options);
  const before = shared;
  // Set before anything is awaited: two calls at a time get one backend.
  shared = (async () => {
    const known = await before?.catch(() => undefined);
    return known?.isAlive ? known : WebGpuBackend.start({});
  })();
  return shared;
}
