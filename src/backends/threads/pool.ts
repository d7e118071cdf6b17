import { BackendError } from '../errors.js';
import type { Answer, Piece, StartMessage } from './protocol.js';
import type { Spawn, Thread } from './spawn.js';

/** Work that is done in pieces. */
export interface Job {
  /** The next piece, but for its number; undefined if there is none now. */
  next(): Omit<Piece, 'id'> | undefined;
  /** Whether no piece will follow. */
  readonly isExhausted: boolean;
  /** A piece was done. */
  onPiece(piece: Piece): void;
  /** All pieces have ended, or no more will be begun: without an error, or with the first. */
  onEnd(error: unknown): void;
}

interface Task {
  readonly job: Job;
  outstanding: number;
  error: unknown;
  hasFailed: boolean;
}

interface Found {
  readonly piece: Piece;
  readonly task: Task;
}

export interface Member {
  thread: Thread;
  readonly start: StartMessage;
  /** By number. */
  readonly outstanding: Map<number, Found>;
  hasStarted: boolean;
  isGone: boolean;
  /** Whether a piece that was handed over was not begun in time: it may have ended, which a thread that blocks does not hear. */
  isSilent: boolean;
  /** What waits for its end. */
  readonly onGone: (() => void)[];
}

/** Pieces that a thread has at a time: one that it works on, and some that wait while the calling thread is not scheduled. */
const AHEAD = 4;
/** Threads that end before they have started, one after another, until no more are made; the next call tries again. */
const MOST_FAILURES = 4;

/**
 * Threads that take pieces of jobs, in turns, so that a short job does not wait for a long one. A thread that ends fails the jobs whose
 * pieces it had, and another takes its place.
 */
export class Pool {
  readonly #spawn: Spawn;
  readonly #source: string;
  readonly #members: Member[] = [];
  #tasks: Task[] = [];
  #turn = 0;
  #lastId = 0;
  #failures = 0;
  #isClosed = false;
  /** Those that were given up, to be started again. */
  readonly #missing: StartMessage[] = [];
  #waitingToStart: { resolve(): void; reject(reason: unknown): void } | undefined;

  constructor(spawn: Spawn, source: string) {
    this.#spawn = spawn;
    this.#source = source;
  }

  /** Resolves when all threads are ready. @throws {BackendError} if they cannot start. */
  start(messages: readonly StartMessage[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waitingToStart = { resolve, reject };
      for (const message of messages) this.#enlist(message);
    });
  }

  /** The threads that work at present; for tests that end one. */
  get threads(): readonly Thread[] {
    return this.#members.map(({ thread }) => thread);
  }

  /** Whether a piece of any job is under way. */
  get isBusy(): boolean {
    return this.#members.some(({ outstanding }) => outstanding.size > 0);
  }

  submit(job: Job): void {
    if (this.#isClosed) {
      job.onEnd(new BackendError('the pool was disposed'));
      return;
    }
    this.#tasks.push({ job, outstanding: 0, error: undefined, hasFailed: false });
    this.#heal();
    this.pump();
  }

  /** Tries again to have as many threads as there should be. */
  #heal(): void {
    if (this.#missing.length === 0) return;
    this.#failures = 0;
    for (const start of this.#missing.splice(0)) this.#enlist(start);
  }

  /** Begins no further piece of a job; it ends with the error when those under way have. */
  fail(job: Job, error: unknown): void {
    const task = this.#tasks.find((each) => each.job === job);
    if (!task) return;
    this.#markFailed(task, error);
    this.#settle(task);
  }

  /**
   * Hands a piece over at once, for a thread that blocks until its flag is set. Its answer comes later, and is not waited for. Says to whom;
   * undefined if nobody is there who answers.
   */
  handOver(piece: Omit<Piece, 'id'>, turn: number): Member | undefined {
    this.#heal();
    const present = this.#members.filter((each) => each.hasStarted && !each.isSilent);
    const member = present[turn % Math.max(present.length, 1)];
    if (member === undefined) return undefined;
    this.#lastId += 1;
    member.thread.post({ ...piece, id: this.#lastId });
    return member;
  }

  /** Ends a thread that does not finish what it has begun; `then` is called when it has ended. Another takes its place. */
  retire(member: Member, then: () => void): void {
    if (member.isGone) {
      then();
      return;
    }
    member.isSilent = true;
    member.onGone.push(then);
    member.thread.crash();
  }

  close(): void {
    this.#isClosed = true;
    for (const { thread } of this.#members.splice(0)) thread.terminate();
    this.#waitingToStart?.reject(new BackendError('the pool was disposed'));
    this.#waitingToStart = undefined;
    this.#end(new BackendError('the pool was disposed'));
  }

  /** Hands out pieces as long as a thread has room for one. */
  pump(): void {
    let found: Found | undefined;
    do {
      // In turns here too: a thread gets its second piece when all others have their first.
      const free = this.#members.filter(({ hasStarted, outstanding }) => hasStarted && outstanding.size < AHEAD);
      const member = free.find(({ outstanding }) => outstanding.size === 0) ?? free[0];
      found = member && this.#nextPiece();
      if (member && found) {
        member.outstanding.set(found.piece.id, found);
        member.thread.post(found.piece);
      }
    } while (found);
    this.#keepAlive();
  }

  #nextPiece(): Found | undefined {
    for (let tried = this.#tasks.length; tried > 0; tried--) {
      this.#turn = (this.#turn + 1) % this.#tasks.length;
      const task = this.#tasks[this.#turn]!;
      if (task.hasFailed) continue;
      try {
        const piece = task.job.next();
        if (piece) {
          this.#lastId += 1;
          task.outstanding += 1;
          return { piece: { ...piece, id: this.#lastId }, task };
        }
      } catch (cause) {
        this.#markFailed(task, cause);
      }
      // A job without pieces, or one whose last has ended.
      if (this.#settle(task)) return this.#nextPiece();
    }
    return undefined;
  }

  #enlist(start: StartMessage): void {
    const member: Member = {
      start,
      outstanding: new Map(),
      hasStarted: false,
      isGone: false,
      isSilent: false,
      onGone: [],
      thread: { post: () => {}, keepAlive: () => {}, terminate: () => {}, crash: () => {} },
    };
    this.#members.push(member);
    try {
      member.thread = this.#spawn(this.#source, {
        onAnswer: (answer) => this.#onAnswer(member, answer),
        onEnd: (reason) => this.#replace(member, reason),
      });
      member.thread.post(start);
    } catch (cause) {
      this.#replace(member, cause);
    }
  }

  #onAnswer(member: Member, answer: Answer): void {
    if (member.isGone) return;
    member.isSilent = false;
    if ('started' in answer) {
      member.hasStarted = true;
      this.#failures = 0;
      if (this.#members.every((each) => each.hasStarted)) {
        this.#waitingToStart?.resolve();
        this.#waitingToStart = undefined;
      }
      this.pump();
      return;
    }
    const found = member.outstanding.get(answer.id);
    // One that was handed over is nobody's here.
    if (!found) return;
    member.outstanding.delete(answer.id);
    const { piece, task } = found;
    task.outstanding -= 1;
    if (answer.error !== undefined) this.#markFailed(task, new BackendError(`a thread failed: ${answer.error}`));
    else if (!task.hasFailed) {
      try {
        task.job.onPiece(piece);
      } catch (cause) {
        this.#markFailed(task, cause);
      }
    }
    this.#settle(task);
    this.pump();
  }

  #replace(member: Member, reason: unknown): void {
    if (member.isGone || this.#isClosed) return;
    member.isGone = true;
    for (const then of member.onGone.splice(0)) then();
    this.#members.splice(this.#members.indexOf(member), 1);
    for (const { task } of member.outstanding.values()) {
      task.outstanding -= 1;
      this.#markFailed(task, reason);
    }
    for (const { task } of member.outstanding.values()) this.#settle(task);
    if (!member.hasStarted) this.#failures += 1;
    if (this.#failures < MOST_FAILURES) this.#enlist(member.start);
    else {
      this.#missing.push(member.start);
      this.#waitingToStart?.reject(reason);
      this.#waitingToStart = undefined;
      if (this.#members.length === 0) this.#end(reason);
    }
    this.pump();
  }

  #markFailed(task: Task, error: unknown): void {
    if (task.hasFailed) return;
    task.hasFailed = true;
    task.error = error;
  }

  /** Ends a task whose pieces have all ended; says whether it has. */
  #settle(task: Task): boolean {
    if (task.outstanding > 0 || !(task.hasFailed || task.job.isExhausted)) return false;
    const at = this.#tasks.indexOf(task);
    if (at < 0) return false;
    this.#tasks.splice(at, 1);
    this.#turn = this.#tasks.length === 0 ? 0 : this.#turn % this.#tasks.length;
    task.job.onEnd(task.error);
    return true;
  }

  /** Ends everything: nobody is left to do it. */
  #end(reason: unknown): void {
    for (const task of this.#tasks.splice(0)) {
      this.#markFailed(task, reason);
      task.job.onEnd(task.error);
    }
  }

  /** An idle pool does not keep a process alive. */
  #keepAlive(): void {
    for (const { thread, outstanding, hasStarted } of this.#members)
      thread.keepAlive(outstanding.size > 0 || (!hasStarted && (this.#tasks.length > 0 || !!this.#waitingToStart)));
  }
}
