/** Everything that computes: off the page's thread, so that it never waits. */
import { expose } from 'comlink';
import type { LearnRequest, LearnState } from '../protocol';
import { agree } from './agree';
import { explore, planOf, refined, valueAt } from './explore';
import { load, open, saveNetwork, saveOnnx, savePlan, show } from './files';
import { Training, target } from './learn';
import { modelOf } from './network';

let training: Training | undefined;

const api = {
  explore,
  valueAt,
  planOf,
  refined,
  agree,
  open,
  load,
  show,
  savePlan,
  saveOnnx,
  saveNetwork,
  modelOf,
  /** [SIZE][SIZE] of what is to be learned. */
  target: () => target,
  begin(request: LearnRequest): LearnState {
    training?.pause();
    training = new Training(request);
    return training.state();
  },
  train: async (onState: (state: LearnState) => unknown): Promise<void> => training?.run(onState),
  pause: (): void => training?.pause(),
};

export type Api = typeof api;
expose(api);
