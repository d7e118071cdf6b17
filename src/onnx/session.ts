import { innerSize, LAYOUTS, type Layout } from '../activations/layout.js';
import { Evaluator } from '../backends/evaluator.js';
import { createEngine } from '../engines/engines.js';
import { describe, expectHolder, expectOneOf, expectOptions, isView, type OptionTable } from '../errors.js';
import { decodePlans, PlanError } from '../plan/file.js';
import { type Image, planImage } from '../plan/image.js';
import { type Stage, stagesOf } from './split.js';

/** What is needed of onnxruntime-common's Tensor. */
export interface OrtTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
}

/** What is needed of its InferenceSession. */
export interface OrtSession<T extends OrtTensor = OrtTensor> {
  run(feeds: Record<string, T>): Promise<Record<string, T>>;
  release?(): Promise<void>;
}

/** The module `onnxruntime-web` or `onnxruntime-node`. */
export interface Ort<T extends OrtTensor = OrtTensor> {
  readonly InferenceSession: { create(model: Uint8Array, options?: object): Promise<unknown> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => T;
}

export interface SplitSessionOptions {
  /** Options of every onnxruntime session: execution providers, external data. Results must be in memory (`preferredOutputLocation` 'cpu'). */
  readonly session?: object;
}

const OPTIONS = { session: expectHolder } satisfies OptionTable<SplitSessionOptions>;

interface Compiled {
  readonly images: readonly Image[];
  readonly layout: Layout;
}

let shared: Evaluator | undefined;

/**
 * A model of the form `split`, run by onnxruntime where it has nodes of onnxruntime's and by ditac's kernels where it has plans: the bits of the exact
 * form, and faster where sums and gathers cost more than copying a tensor, as on WebAssembly.
 */
export class SplitSession<T extends OrtTensor = OrtTensor> {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #ort: Ort<T>;
  readonly #stages: readonly { readonly stage: Stage; readonly session: OrtSession<T> | undefined }[];
  readonly #plans: ReadonlyMap<string, Compiled>;

  private constructor(
    ort: Ort<T>,
    stages: readonly { stage: Stage; session: OrtSession<T> | undefined }[],
    plans: ReadonlyMap<string, Compiled>,
    inputs: readonly string[],
    outputs: readonly string[],
  ) {
    this.#ort = ort;
    this.#stages = stages;
    this.#plans = plans;
    this.inputNames = inputs;
    this.outputNames = outputs;
  }

  /**
   * @param ort the module of onnxruntime-web or onnxruntime-node.
   * @param model the bytes of a model of the form `split`.
   * @throws {TypeError} if an argument is something else. @throws {OnnxError|PlanError} if the model cannot be divided, or holds no valid plan.
   */
  static async create<T extends OrtTensor>(
    ort: Ort<T>,
    model: Uint8Array,
    options?: SplitSessionOptions,
  ): Promise<SplitSession<T>> {
    if (typeof ort?.InferenceSession?.create !== 'function' || typeof ort.Tensor !== 'function')
      throw new TypeError(`ort must be the module onnxruntime-web or onnxruntime-node, got ${describe(ort)}`);
    if (!isView(model, 'Uint8Array')) throw new TypeError(`model must be a Uint8Array, got ${describe(model)}`);
    expectOptions('SplitSession.create', options, OPTIONS);
    const { stages, inputs, outputs } = stagesOf(model);
    const plans = new Map<string, Compiled>();
    for (const { activations } of stages)
      for (const { output, plan } of activations) {
        const { plans: decoded, layout } = decodePlans(plan);
        const found = LAYOUTS[layout];
        if (found === undefined) throw new PlanError(`the plan file has layout ${layout}, expected 0 or 1`);
        plans.set(output, { images: decoded.map(planImage), layout: found });
      }
    const sessions: { stage: Stage; session: OrtSession<T> | undefined }[] = [];
    try {
      // One after the other: runtimes on WebAssembly cannot do more at a time.
      for (const stage of stages) {
        const session =
          stage.model && ((await ort.InferenceSession.create(stage.model, options?.session)) as OrtSession<T>);
        sessions.push({ stage, session });
      }
    } catch (cause) {
      for (const { session } of sessions) await session?.release?.();
      throw cause;
    }
    return new SplitSession(ort, sessions, plans, inputs, outputs);
  }

  /**
   * @param feeds a tensor for every input, by name.
   * @returns a tensor for every output.
   * @throws {TypeError|RangeError} if an input is missing or unknown, or a tensor does not fit its activation.
   */
  async run(feeds: Readonly<Record<string, T>>): Promise<Record<string, T>> {
    const given = expectHolder('SplitSession.run', feeds) as Readonly<Record<string, T>>;
    for (const name of Object.keys(given)) expectOneOf('an input', name, this.inputNames);
    const values = new Map<string, T>();
    for (const name of this.inputNames) {
      const tensor = given[name];
      if (typeof tensor !== 'object' || tensor === null || !('dims' in tensor))
        throw new TypeError(`input '${name}' must be a tensor, got ${describe(tensor)}`);
      values.set(name, tensor);
    }
    for (const { stage, session } of this.#stages) {
      if (session) {
        const inputs: Record<string, T> = {};
        for (const name of stage.inputs) inputs[name] = values.get(name)!;
        const results = await session.run(inputs);
        for (const name of stage.outputs) values.set(name, results[name]!);
      }
      for (const { input, output, isLast } of stage.activations)
        values.set(output, this.#activate(input, values.get(input)!, this.#plans.get(output)!, isLast));
    }
    const results: Record<string, T> = {};
    for (const name of this.outputNames) results[name] = values.get(name)!;
    return results;
  }

  #activate(name: string, tensor: T, { images, layout }: Compiled, isLast: boolean): T {
    const { data: x, dims } = tensor;
    if (!isView(x, 'Float32Array'))
      throw new TypeError(`'${name}' must be a float32 tensor in memory, got ${tensor.type} in ${describe(x)}`);
    const inner = innerSize(images.length, layout, x.length, [...dims]);
    const y = isLast ? x : new Float32Array(x.length);
    shared ??= new Evaluator(createEngine());
    shared.run('activate', { images, inner }, x, y);
    return new this.#ort.Tensor('float32', y, dims);
  }

  /** Gives the sessions' memory back. */
  async release(): Promise<void> {
    for (const { session } of this.#stages) await session?.release?.();
    shared?.release([...this.#plans.values()].flatMap(({ images }) => images));
  }
}
