import { KERNELS_HEX } from '../../engines/wasm/bytes.generated.js';
import { abortReason, expectFloat32Array, expectInteger, throwIfAborted } from '../../errors.js';
import { type BackwardImage, type Image, WINDOWS } from '../../plan/image.js';
import type { Moments } from '../../plan/moments.js';
import { ALTERNATING_BYTES } from '../alternating.js';
import type { HostBackend, Kernel, PoolBackend, Tables, WorkOptions } from '../backend.js';
import { expectImages, expectKernel, expectMoments, expectTables, expectTensors, expectWork } from '../check.js';
import { asBackendError, BackendError } from '../errors.js';
import { copyOut, defaultBackend, expectCopy, readSums } from '../host.js';
import { onAbort } from '../signals.js';
import { SHARED_MEMORY, WORKER } from './kernels.generated.js';
import { SharedMemory } from './memory.js';
import { expectThreadsOptions, type ThreadsOptions } from './options.js';
import { type Job, type Member, Pool } from './pool.js';
import { BEGUN, DONE, FAILED, type Piece } from './protocol.js';
import { findThreads, type Thread } from './spawn.js';

export type { ThreadsOptions } from './options.js';

/** Floats of a piece at the most: of tensors that stay where they are, and of those that travel, which then fit a second-level cache. */
const MOST_RESIDENT = 2 ** 19;
const MOST_PIECE = 2 ** 18;
/** And at the least. */
const LEAST_PIECE = 2 ** 12;
/** Tables of a call may take so many bytes, half of the room that there is; one thread can exchange them as it goes. */
const MOST_TABLE_BYTES = 2 ** 26;
/** Sums of a piece may take so many bytes; a gradient of more channels is computed where the call is made. */
const MOST_SUMS_BYTES = 2 ** 26;
/** A piece takes milliseconds. How long a blocked thread waits for one to be begun before it does it, which costs nothing but the time; */
const BEGIN_MS = 500;
/** and for one that was begun, whose thread must have ended, or hang: then the call fails. */
const PATIENCE_MS = 5_000;
/** What an element costs one thread, in nanoseconds, for judging when others are worth asking (`npm run bench`). */
const COST = { activate: 2, flow: 6, backward: 8, probe: 20 } as const;
type Work = Kernel | 'backward';

/** The tensors of one call. */
interface Call {
  readonly work: Work;
  readonly images: readonly Image[];
  readonly inner: number;
  readonly offset: number;
  readonly x: Float32Array;
  /** y, or gradX. */
  readonly y: Float32Array;
  readonly gradY?: Float32Array;
  readonly moments?: readonly Moments[];
}

/**
 * A pool of threads that share one WebAssembly memory, each taking pieces of a tensor. The kernels are those of `wasm`, built for shared
 * memory, and results do not depend on how a tensor is divided, so the bits are the same.
 *
 * Calls return Promises, and several at a time take turns. `sync` is the same pool for a thread that may block.
 */
export class ThreadsBackend implements PoolBackend {
  readonly name = 'threads';
  readonly isSynchronous = false;
  readonly exact = true;
  readonly failures = [];
  readonly size: number;
  /** Shorter tensors are computed where the call is made, by kind of work. */
  readonly thresholds: Readonly<Record<Work, number>>;
  readonly #memory: SharedMemory;
  readonly #pool: Pool;
  readonly #host: HostBackend;
  /** Staging tensors that are free, and how many more there may be. */
  readonly #staging: number[] = [];
  #stagingLeft: number;
  /** Work handed over with `run`, which is done in order; and what went wrong with it. */
  #handedOver: Promise<void> = Promise.resolve();
  #isIdle = true;
  #problem: unknown;
  readonly #flags: number;
  #lastTicket = 0;
  /** Tensors that were not freed yet. */
  readonly #tensors = new WeakSet<Float32Array>();
  #isDisposed = false;

  private constructor(size: number, memory: SharedMemory, pool: Pool, host: HostBackend, flags: number) {
    this.size = size;
    this.#memory = memory;
    this.#pool = pool;
    this.#host = host;
    this.#flags = flags;
    this.#stagingLeft = 5 * size;
    this.thresholds = { activate: 0, flow: 0, backward: 0, probe: 0 };
  }

  /** @throws {TypeError|RangeError} for options out of range. @throws {BackendError} if there are no threads here, with the reason. */
  static async start(options: ThreadsOptions = {}): Promise<ThreadsBackend> {
    const { size, threshold, maxBytes } = expectThreadsOptions(options);
    return ThreadsBackend.#startOn(size, threshold, maxBytes).catch((cause) => {
      throw asBackendError('no threads here', cause);
    });
  }

  static async #startOn(wanted: number | undefined, threshold: number | undefined, most: number) {
    const { spawn, cores } = await findThreads();
    const size = wanted ?? Math.min(Math.max(cores, 1), 256);
    const host = defaultBackend();
    if (host.name !== 'wasm') throw new BackendError('no threads here: WebAssembly SIMD is not available');
    const memory = new SharedMemory(most);
    const flags = memory.take(4 * 3 * size);
    const windows = Array.from({ length: size }, () => memory.take(ALTERNATING_BYTES));
    const pool = new Pool(spawn, WORKER);
    const backend = new ThreadsBackend(size, memory, pool, host, flags);
    try {
      const { from, to, by } = SHARED_MEMORY;
      const kernels = KERNELS_HEX.slice(0, from) + by + KERNELS_HEX.slice(to);
      await pool.start(windows.map((window) => ({ memory: memory.memory, kernels, window })));
      await backend.#measure(threshold);
    } catch (cause) {
      pool.close();
      throw cause;
    }
    return backend;
  }

  get device(): string {
    return `WebAssembly SIMD, ${this.size} threads`;
  }

  get maxLength(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** The threads at present; for tests that end one. */
  get threads(): readonly Thread[] {
    return this.#pool.threads;
  }

  /** Bytes of the shared memory so far; what was never used takes no room. */
  get memoryBytes(): number {
    return this.#memory.bytes;
  }

  /**
   * A tensor in the memory that all threads share: calls on it copy nothing. Contents undefined; `free` gives it back.
   * @throws {RangeError} if the pool's memory has no room for it.
   */
  tensor(length: number): Float32Array {
    expectInteger('length', length, 0, 2 ** 30);
    const tensor = this.#memory.newTensor(length);
    this.#tensors.add(tensor);
    return tensor;
  }

  allocate(length: number): Float32Array {
    return this.tensor(length);
  }

  upload(values: Float32Array): Float32Array {
    expectFloat32Array('values', values);
    const tensor = this.tensor(values.length);
    tensor.set(values);
    return tensor;
  }

  async download(tensor: Float32Array, into?: Float32Array): Promise<Float32Array> {
    expectCopy(tensor, into);
    this.#memory.expectLive('the tensor', tensor);
    // Read at once where nothing waits: the tensor may be freed in the next line.
    if (!this.#isIdle) await this.#handedOver;
    if (this.#problem !== undefined) {
      const problem = this.#problem;
      this.#problem = undefined;
      throw problem;
    }
    return copyOut(tensor, into);
  }

  /** Gives a tensor's memory back: what `tensor`, `allocate` or `upload` returned. Calls under way still find it. */
  free(tensor: Float32Array): void {
    expectFloat32Array('tensor', tensor);
    if (!this.#tensors.delete(tensor)) return;
    this.#memory.markFreed(tensor);
    const give = () => this.#memory.giveTensor(tensor.byteOffset);
    // At once where nothing waits: its place may be asked for in the next line.
    if (this.#isIdle) give();
    else void this.#handedOver.then(give);
  }

  release(images: readonly Image[]): void {
    expectImages(images);
    this.#memory.release(images);
    this.#host.release(images);
  }

  /** Ends the threads, and with them the memory; calls under way are rejected. */
  dispose(): void {
    this.#isDisposed = true;
    this.#pool.close();
  }

  get isDisposed(): boolean {
    return this.#isDisposed;
  }

  run(kernel: Kernel, tables: Tables, x: Float32Array, y: Float32Array): void {
    const call = this.#checked(kernel, tables, x, y);
    this.#queue(this.#handedOver.then(() => this.#submit(call))).catch((cause) => {
      this.#problem ??= cause;
    });
  }

  async backward(
    tables: Tables<BackwardImage>,
    x: Float32Array,
    gradY: Float32Array,
    gradX: Float32Array,
    moments: readonly Moments[],
  ): Promise<void> {
    const call = this.#checkedBackward(tables, x, gradY, gradX, moments);
    return this.#queue(this.#handedOver.then(() => this.#submit(call)));
  }

  /** On arrays of any kind; those of `tensor` are not copied. Calls do not wait for each other. */
  async evaluate(
    kernel: Kernel,
    tables: Tables,
    x: Float32Array,
    y: Float32Array,
    options: WorkOptions = {},
  ): Promise<void> {
    const call = this.#checked(kernel, tables, x, y);
    expectWork(options);
    return this.#submit(call, options);
  }

  async evaluateBackward(
    tables: Tables<BackwardImage>,
    x: Float32Array,
    gradY: Float32Array,
    gradX: Float32Array,
    moments: readonly Moments[],
    options: WorkOptions = {},
  ): Promise<void> {
    const call = this.#checkedBackward(tables, x, gradY, gradX, moments);
    expectWork(options);
    return this.#submit(call, options);
  }

  #queue(done: Promise<void>): Promise<void> {
    this.#isIdle = false;
    const last = done
      .catch(() => {})
      .then(() => {
        if (this.#handedOver === last) this.#isIdle = true;
      });
    this.#handedOver = last;
    return done;
  }

  /** @throws {TypeError|RangeError} for what is no call, or a tensor that was freed: what was handed over before it was still finds it. */
  #checked(kernel: Kernel, tables: Tables, x: Float32Array, y: Float32Array): Call {
    expectKernel(kernel);
    expectTensors({ x, y });
    this.#expectLive({ x, out: y });
    expectTables(tables);
    const { images, inner, offset = 0 } = tables;
    return { work: kernel, images, inner, offset, x, y };
  }

  #checkedBackward(
    tables: Tables<BackwardImage>,
    x: Float32Array,
    gradY: Float32Array,
    gradX: Float32Array,
    moments: readonly Moments[],
  ): Call {
    expectTensors({ x, y: gradX, gradY });
    this.#expectLive({ x, gradY, gradX });
    expectTables(tables);
    expectMoments(moments, tables.images);
    const { images, inner, offset = 0 } = tables;
    return { work: 'backward', images, inner, offset, x, y: gradX, gradY, moments };
  }

  #expectLive(tensors: Record<string, Float32Array>): void {
    for (const [name, tensor] of Object.entries(tensors)) this.#memory.expectLive(name, tensor);
  }

  /**
   * The same pool for a thread that may block (in Node, Deno and Bun any, in a browser only a worker): calls return when the work is done.
   * @throws {BackendError} on use, where blocking is not allowed.
   */
  get sync(): HostBackend {
    return {
      name: 'threads',
      device: this.device,
      exact: true,
      failures: [],
      isSynchronous: true,
      maxLength: this.maxLength,
      allocate: (length) => this.tensor(length),
      upload: (values) => this.upload(values),
      download: (tensor, into) => {
        expectCopy(tensor, into);
        this.#memory.expectLive('the tensor', tensor);
        return copyOut(tensor, into);
      },
      free: (tensor) => {
        expectFloat32Array('tensor', tensor);
        if (!this.#tensors.delete(tensor)) return;
        this.#memory.markFreed(tensor);
        this.#memory.giveTensor(tensor.byteOffset);
      },
      release: (images) => this.release(images),
      dispose: () => this.dispose(),
      run: (kernel, tables, x, y) => this.#block(this.#checked(kernel, tables, x, y)),
      backward: (tables, x, gradY, gradX, moments) => {
        this.#block(this.#checkedBackward(tables, x, gradY, gradX, moments));
      },
    };
  }

  /** Whether a call is done where it is made. */
  #isSmall({ work, images, y, x }: Call): boolean {
    if (y.length === 0 || x.length === 0 || y.length < this.thresholds[work]) return true;
    if (images.reduce((sum, { bytes }) => sum + bytes, 0) > MOST_TABLE_BYTES) return true;
    if (work !== 'backward') return false;
    const { windowLength } = images[0] as BackwardImage;
    return 8 * WINDOWS * windowLength * images.length > MOST_SUMS_BYTES;
  }

  #here({ work, images, inner, offset, x, y, gradY, moments }: Call): void {
    if (work === 'backward') {
      this.#host.backward({ images: images as readonly BackwardImage[], inner, offset }, x, gradY!, y, moments!);
    } else this.#host.run(work, { images, inner, offset }, x, y);
  }

  #submit(call: Call, { signal, onProgress }: WorkOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      if (this.#isDisposed) throw new BackendError('the pool was disposed');
      if (this.#isSmall(call)) {
        this.#here(call);
        onProgress?.(1);
        resolve();
        return;
      }
      const job = new TensorJob(this.#resources, call, this.size, {
        onProgress: (done) => onProgress?.(done),
        onEnd: (error) => {
          ignoreSignal();
          if (error === undefined) resolve();
          else reject(error);
          // Others may wait for the staging tensors of this one.
          this.#pool.pump();
        },
      });
      const ignoreSignal = onAbort(signal, () => this.#pool.fail(job, abortReason(signal!)));
      this.#pool.submit(job);
    });
  }

  /** The pieces of a call, waited for by this thread. */
  #block(call: Call): void {
    if (this.#isSmall(call)) {
      this.#here(call);
      return;
    }
    if (this.#isDisposed) throw new BackendError('the pool was disposed');
    const memory = this.#memory;
    try {
      // Returns at once, or is not allowed here: better known before anything is handed over.
      Atomics.wait(memory.words, this.#flags >> 2, Atomics.load(memory.words, this.#flags >> 2) + 1, 0);
    } catch (cause) {
      throw new BackendError('this thread may not block: use the pool itself, whose calls return Promises', { cause });
    }
    // Beside staging tensors that are free, some of its own: those of calls under way come back only when this thread does not block.
    const own = new Set<number>();
    const resources: Resources = {
      memory,
      takeStaging: () => {
        const known = this.#staging.pop();
        if (known !== undefined) return known;
        const address = memory.takeTensor(2 * MOST_PIECE);
        own.add(address);
        return address;
      },
      giveStaging: (address) => {
        if (own.delete(address)) memory.giveTensor(address);
        else this.#staging.push(address);
      },
      canWait: () => false,
    };
    let problem: unknown;
    const job = new TensorJob(resources, call, this.size, { onProgress: () => {}, onEnd: () => {} });
    type UnderWay = { piece: Omit<Piece, 'id'>; at: number; ticket: number; member: Member | undefined };
    const under: UnderWay[] = [];
    const lost: Member[] = [];
    const next = (turn: number) => {
      const piece = problem === undefined ? job.next() : undefined;
      if (!piece) return false;
      const flag = this.#flags + 4 * (turn % (3 * this.size));
      this.#lastTicket = (this.#lastTicket + 4) | 0 || 4;
      const ticket = this.#lastTicket;
      Atomics.store(memory.words, flag >> 2, ticket);
      const member = this.#pool.handOver({ ...piece, flag, ticket }, turn);
      under.push({ piece, at: flag >> 2, ticket, member });
      return true;
    };
    /** What became of a piece; undefined if nobody has begun it, nor will any more. */
    const outcomeOf = ({ at, ticket, member }: UnderWay): number | undefined => {
      const { words } = memory;
      if (member && !member.isSilent) Atomics.wait(words, at, ticket, BEGIN_MS);
      if (Atomics.compareExchange(words, at, ticket, 0) === ticket) {
        if (member) member.isSilent = true;
        return undefined;
      }
      Atomics.wait(words, at, (ticket + BEGUN) | 0, PATIENCE_MS);
      return (Atomics.load(words, at) - ticket) | 0;
    };
    // What is under way is waited for whatever happens: it writes to memory that is given back then.
    for (let turn = 0; ; ) {
      try {
        while (under.length < 2 * this.size && next(turn)) turn += 1;
      } catch (cause) {
        problem ??= cause;
      }
      const first = under.shift();
      if (!first) break;
      const outcome = outcomeOf(first);
      try {
        if (outcome === undefined) {
          if (problem === undefined) job.doHere(first.piece, this.#host);
        } else if (outcome === DONE) job.onPiece(first.piece);
        else if (outcome === FAILED) problem ??= new BackendError('a thread failed at a piece of the tensor');
        else {
          lost.push(first.member!);
          problem ??= new BackendError(`a thread ended, or has not answered for ${PATIENCE_MS / 1000} s`);
        }
      } catch (cause) {
        problem ??= cause;
      }
    }
    // A thread that hangs may go on to write, until it has ended.
    let left = lost.length;
    for (const member of lost)
      this.#pool.retire(member, () => {
        left -= 1;
        if (left === 0) job.onEnd(problem);
      });
    if (lost.length === 0) job.onEnd(problem);
    if (problem !== undefined) throw problem;
  }

  /** Where a call finds room. */
  get #resources(): Resources {
    return {
      memory: this.#memory,
      takeStaging: () => {
        const known = this.#staging.pop();
        if (known !== undefined || this.#stagingLeft === 0) return known;
        this.#stagingLeft -= 1;
        try {
          // x and gradY of a piece, or x and y.
          return this.#memory.takeTensor(2 * MOST_PIECE);
        } catch (cause) {
          this.#stagingLeft += 1;
          throw cause;
        }
      },
      canWait: () => this.#pool.isBusy,
      giveStaging: (address) => {
        this.#staging.push(address);
      },
    };
  }

  /** How long it takes to ask a thread and be answered decides from which length on others help. */
  async #measure(threshold: number | undefined): Promise<void> {
    const thresholds = this.thresholds as Record<Work, number>;
    if (threshold !== undefined) {
      for (const work of Object.keys(thresholds) as Work[]) thresholds[work] = threshold;
      return;
    }
    const image: Image = { bytes: 16, write: () => {} };
    const y = this.tensor(4);
    const times: number[] = [];
    // The first ones find code that is not yet compiled.
    for (let k = 0; k < 40; k++) {
      const before = performance.now();
      await this.evaluate('probe', { images: [image], inner: 1 }, y, y);
      times.push(performance.now() - before);
    }
    this.release([image]);
    this.free(y);
    const roundTripNs = 1e6 * times.slice(-15).sort((p, q) => p - q)[7]!;
    // Worth it when what others take over, all but 1/size, costs more than asking them; twice, since the measurement is short.
    const share = Math.max(1 - 1 / this.size, 0.5);
    for (const work of Object.keys(thresholds) as Work[])
      thresholds[work] = Math.ceil((2 * roundTripNs) / (COST[work] * share));
  }
}

interface JobEvents {
  onProgress(done: number): void;
  onEnd(error: unknown): void;
}

interface Resources {
  readonly memory: SharedMemory;
  /** The address of a staging tensor of 2·MOST_PIECE floats, if one is free. */
  takeStaging(): number | undefined;
  giveStaging(address: number): void;
  /** Whether others are at work, whose end may leave room. */
  canWait(): boolean;
}

/** A call as pieces. Arrays that are not in the shared memory travel through staging tensors, a piece at a time. */
class TensorJob implements Job {
  readonly #resources: Resources;
  readonly #call: Call;
  readonly #events: JobEvents;
  readonly #piece: number;
  readonly #isResident: boolean;
  /** Held as long as the job lasts, as tables and tensors are. */
  readonly #directory: number;
  readonly #letTensorsGo: () => void;
  #from = 0;
  #done = 0;
  readonly #underWay = new Map<number, { from: number; length: number; staging: number | undefined; sums: number }>();

  constructor(resources: Resources, call: Call, size: number, events: JobEvents) {
    this.#resources = resources;
    this.#call = call;
    this.#events = events;
    const { x, y, gradY } = call;
    const tensors = [x, y, gradY ?? y];
    this.#isResident = tensors.every((tensor) => resources.memory.addressOf(tensor) !== undefined);
    this.#directory = this.#hold();
    this.#letTensorsGo = resources.memory.useTensors(tensors);
    const share = Math.ceil(call.y.length / (2 * size));
    const least = LEAST_PIECE * (call.work === 'backward' ? call.images.length : 1);
    // Multiples of four, so that no vector is cut.
    const most = this.#isResident ? MOST_RESIDENT : MOST_PIECE;
    this.#piece = (Math.min(Math.max(share, least), most) + 3) & -4;
  }

  get isExhausted(): boolean {
    return this.#from >= this.#call.y.length;
  }

  next(): Omit<Piece, 'id'> | undefined {
    if (this.isExhausted) return undefined;
    const { memory } = this.#resources;
    const { work, images, inner, offset, x, y, gradY } = this.#call;
    const from = this.#from;
    const { start, xLength, length } = this.#cut(from);
    const windowLength = work === 'backward' ? (images[0] as BackwardImage).windowLength : 0;
    let staging: number | undefined;
    let sums = 0;
    let places: Pick<Piece, 'x' | 'y' | 'gradY'>;
    try {
      if (this.#isResident) {
        places = {
          x: x.byteOffset + 4 * start,
          y: y.byteOffset + 4 * from,
          gradY: (gradY?.byteOffset ?? 0) + 4 * from,
        };
      } else {
        staging = this.#resources.takeStaging();
        if (staging === undefined) return undefined;
        const second = staging + 4 * MOST_PIECE;
        places = { x: staging, y: second, gradY: second };
        memory.view(places.x, xLength).set(x.subarray(start, start + xLength));
        if (gradY) memory.view(places.gradY, length).set(gradY.subarray(from, from + length));
      }
      if (work === 'backward') sums = memory.take(8 * WINDOWS * windowLength * images.length);
    } catch (cause) {
      if (staging !== undefined) this.#resources.giveStaging(staging);
      // Room comes back when a piece that is under way has ended.
      if (cause instanceof RangeError && (this.#underWay.size > 0 || this.#resources.canWait())) return undefined;
      throw cause;
    }
    this.#underWay.set(places.y, { from, length, staging, sums });
    this.#from = from + length;
    return {
      bytes: memory.bytes,
      kernel: work,
      directory: this.#directory,
      channels: images.length,
      inner,
      // Only the place within one round of all channels matters.
      offset: (offset + from) % (inner * images.length),
      ...places,
      xLength,
      length,
      sums,
      windowLength,
      flag: 0,
      ticket: 0,
    };
  }

  /** Where the piece at `from` reads x, and its length: an x that repeats is read as often as it fits, or in part. */
  #cut(from: number): { start: number; xLength: number; length: number } {
    const { x, y } = this.#call;
    const rest = y.length - from;
    if (x.length >= y.length) {
      const length = Math.min(this.#piece, rest);
      return { start: from, xLength: length, length };
    }
    const start = from % x.length;
    if (start > 0 || x.length > this.#piece) {
      const length = Math.min(this.#piece, rest, x.length - start);
      return { start, xLength: length, length };
    }
    const length = Math.min(this.#piece - (this.#piece % x.length), rest);
    return { start: 0, xLength: Math.min(x.length, length), length };
  }

  #hold(): number {
    const { memory } = this.#resources;
    const { images } = this.#call;
    const addresses = memory.hold(images);
    try {
      const directory = memory.take(4 * images.length);
      memory.words.set(addresses, directory >> 2);
      return directory;
    } catch (cause) {
      memory.letGo(images);
      throw cause;
    }
  }

  onPiece({ y: address }: Pick<Piece, 'y'>): void {
    const { memory } = this.#resources;
    const { images, moments } = this.#call;
    const { sums } = this.#underWay.get(address)!;
    if (moments) {
      const bytes = 8 * WINDOWS * (images[0] as BackwardImage).windowLength;
      for (const [c, image] of (images as readonly BackwardImage[]).entries())
        readSums(memory.doubles, sums + bytes * c, image, moments[c]!);
    }
    this.#end(address);
  }

  /** A piece that no thread has begun. */
  doHere(piece: Omit<Piece, 'id'>, host: HostBackend): void {
    const { memory } = this.#resources;
    const { work, images, inner, moments } = this.#call;
    const x = memory.view(piece.x, piece.xLength);
    const y = memory.view(piece.y, piece.length);
    const tables = { images, inner, offset: piece.offset };
    if (work !== 'backward') host.run(work, tables, x, y);
    else {
      const gradY = memory.view(piece.gradY, piece.length);
      host.backward({ ...tables, images: images as readonly BackwardImage[] }, x, gradY, y, moments!);
    }
    this.#end(piece.y);
  }

  #end(address: number): void {
    const { y } = this.#call;
    const { from, length, staging } = this.#underWay.get(address)!;
    if (staging !== undefined) y.set(this.#resources.memory.view(address, length), from);
    this.#giveBack(address);
    this.#done += length;
    this.#events.onProgress(this.#done / y.length);
  }

  #giveBack(address: number): void {
    const { staging, sums } = this.#underWay.get(address)!;
    this.#underWay.delete(address);
    if (staging !== undefined) this.#resources.giveStaging(staging);
    if (sums !== 0) this.#resources.memory.give(sums);
  }

  onEnd(error: unknown): void {
    for (const address of [...this.#underWay.keys()]) this.#giveBack(address);
    this.#letTensorsGo();
    this.#resources.memory.give(this.#directory);
    this.#resources.memory.letGo(this.#call.images);
    this.#events.onEnd(error);
  }
}

let shared: Promise<ThreadsBackend> | undefined;

/** The pool with default options, started once; a new one for options. */
export async function loadThreads(options?: ThreadsOptions): Promise<ThreadsBackend> {
  if (options !== undefined) return ThreadsBackend.start(options);
  const before = shared;
  // Set before anything is awaited: two calls at a time get one pool.
  shared = (async () => {
    const known = await before?.catch(() => undefined);
    return known && !known.isDisposed ? known : ThreadsBackend.start();
  })();
  return shared;
}
