/** The search itself, without tfjs: generations of candidates, whoever says how good they are. The same seed gives the same search, also when it is resumed. */
import { uniformStream } from '../../src/cpab/random.js';
import { crossed, mutated, randomTree, refusal, type Tree, textOf } from './tree.js';

export interface Individual {
  readonly id: number;
  readonly tree: Tree;
  readonly generation: number;
  readonly how: 'random' | 'crossover' | 'mutation';
  readonly parents: readonly number[];
  /** Of a training that did not fail. */
  fitness?: number;
  accuracy?: number;
  loss?: number;
}

export interface SearchOptions {
  readonly seed: number;
  readonly population: number;
  /** How many of the best go on, become parents, and are mutated. */
  readonly best: number;
  /** Probability that a pair of parents exchanges parts. */
  readonly crossover: number;
}

export interface SearchState {
  readonly options: SearchOptions;
  generation: number;
  /** Everyone who was ever tried. */
  readonly individuals: Individual[];
  /** Ids of the present generation. */
  population: number[];
  /** How many candidates were refused before they were trained, by reason. */
  readonly refused: Record<string, number>;
}

export function begin(options: SearchOptions): SearchState {
  const state: SearchState = { options, generation: 0, individuals: [], population: [], refused: {} };
  fill(state, uniformStream(options.seed));
  return state;
}

/** The best first; who failed is last. */
export function ranked(state: SearchState): Individual[] {
  return [...state.individuals].sort((p, q) => (q.fitness ?? -1) - (p.fitness ?? -1) || p.id - q.id);
}

/** The next generation: the best, their children, what mutation makes of them, and new ones. */
export function advance(state: SearchState): void {
  const { best, crossover, seed } = state.options;
  state.generation += 1;
  // A stream of its own for each generation: a search that is resumed needs no more than the number.
  const uniform = uniformStream((seed + 7919 * state.generation) % 2 ** 32);
  const elite = ranked(state).slice(0, best);
  state.population = elite.map(({ id }) => id);
  for (let k = 0; k + 1 < elite.length; k += 2) {
    const [a, b] = [elite[k]!, elite[k + 1]!];
    if (uniform() >= crossover) continue;
    for (const tree of crossed(uniform, a.tree, b.tree)) admit(state, tree, 'crossover', [a.id, b.id]);
  }
  for (const each of elite) admit(state, mutated(uniform, each.tree), 'mutation', [each.id]);
  fill(state, uniform);
}

/** New ones until there are enough. */
function fill(state: SearchState, uniform: () => number): void {
  while (state.population.length < state.options.population) admit(state, randomTree(uniform), 'random', []);
}

/** Takes a candidate that is worth a training, and was not there before. */
function admit(state: SearchState, tree: Tree, how: Individual['how'], parents: readonly number[]): void {
  const text = textOf(tree);
  if (state.population.length >= state.options.population) return;
  if (state.individuals.some((each) => textOf(each.tree) === text)) return;
  const why = refusal(tree);
  if (why !== undefined) {
    const kind = why.replace(/ (?:at|near) -?[x\d].*/, '').replace(/; .*/, '');
    state.refused[kind] = (state.refused[kind] ?? 0) + 1;
    return;
  }
  const individual = { id: state.individuals.length, tree, generation: state.generation, how, parents };
  state.individuals.push(individual);
  state.population.push(individual.id);
}
