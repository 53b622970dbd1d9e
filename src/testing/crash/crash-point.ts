import type { CallGuard, Life } from './life.ts';
import { never } from './life.ts';
import type { Passage } from './passage.ts';

/**
 * When a process ends, seen from one call of the store:
 * - `before` it was made;
 * - `applied`: after it was applied, and before its answer came;
 * - `returned`: after its answer came;
 * - `late`: after it was made, but it reaches the store only once the next process has sent a request, as a call on a slow
 *   connection does. Only fencing tells it from a call of the present holder.
 */
export type CrashPhase = 'before' | 'applied' | 'returned' | 'late';

export const crashPhases: readonly CrashPhase[] = ['before', 'returned', 'applied', 'late'];

/** The last call of a process. */
export interface CrashPoint {
  /** Counted from 0 over all calls of a history. */
  readonly call: number;
  readonly phase: CrashPhase;
}

/** Lets calls of the store through, until the process that makes them ends. */
export class Gate {
  /** Calls that were made. */
  calls = 0;
  /** What was called at the point. */
  operation: string | undefined;
  /** Until then the store refuses every call. */
  awayUntil = 0;
  readonly #passage: Passage;
  readonly #point: CrashPoint | undefined;
  #delayed: (() => unknown) | undefined;

  constructor(passage: Passage, point: CrashPoint | undefined) {
    this.#passage = passage;
    this.#point = point;
  }

  readonly guard: CallGuard = (operation, call, life) => {
    if (life.hasEnded) return never;
    if (this.#passage.clock.now() < this.awayUntil) return Promise.reject(new Error('the store is away'));
    const isLast = this.calls === this.#point?.call;
    this.calls += 1;
    if (!isLast || this.#point === undefined) return life.seen(this.#passage.track(call));
    this.operation = operation;
    return this.#end(this.#point.phase, call, life);
  };

  /** The delayed call reaches the store. */
  async release(): Promise<void> {
    const call = this.#delayed;
    this.#delayed = undefined;
    // Its failure concerns nobody any more.
    if (call !== undefined) await this.#passage.track(call).catch(() => {});
  }

  #end(phase: CrashPhase, call: () => unknown, life: Life): Promise<unknown> {
    switch (phase) {
      case 'before':
        life.end();
        return never;
      case 'late':
        this.#delayed = call;
        life.end();
        return never;
      case 'applied': {
        const end = (): void => life.end();
        this.#passage.track(call).then(end, end);
        return never;
      }
      case 'returned': {
        const answer = this.#passage.track(call);
        const end = (): void => void this.#passage.clock.schedule(0, () => life.end());
        answer.then(end, end);
        return life.seen(answer);
      }
    }
  }
}
