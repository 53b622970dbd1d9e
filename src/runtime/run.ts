import type { Clock } from '../clock.ts';
import { messageOf, StorageError, SurehookError } from '../errors.ts';
import type { Reporter } from '../events.ts';
import { Storage } from './storage.ts';

/** Steps of the back-off of a call that must succeed sometime. */
const FIRST_STEP_MS = 100;
const LONGEST_STEP_MS = 10_000;

/** What a run is made of. */
export interface RunParts {
  readonly clock: Clock;
  readonly reporter: Reporter;
  /** A repo call that has not settled after this counts as failed, ms. */
  readonly storageTimeoutMs: number;
}

/**
 * One life of the engine, from `start()` to the end of `stop()`. Every timer of the engine is set through it, so that none
 * survives it, and everything that waits in it is woken when it ends.
 */
export class Run implements Clock {
  readonly clock: Clock;
  readonly storage: Storage;
  readonly reporter: Reporter;
  /** False from the moment `stop()` is called: no new work is taken. */
  accepting = true;
  /** True once nothing may be started or stored any more. */
  ended = false;
  readonly #cancels = new Set<() => void>();
  readonly #sleepers = new Set<() => void>();

  constructor(parts: RunParts) {
    this.clock = parts.clock;
    // By this run's own timers: no call holds the process up once the run has ended.
    this.storage = new Storage({ clock: this, timeoutMs: parts.storageTimeoutMs });
    this.reporter = parts.reporter;
  }

  now(): number {
    return this.clock.now();
  }

  /** Like `Clock.schedule`, cancelled when the run ends. */
  schedule(delayMs: number, run: () => void): () => void {
    if (this.ended) return () => {};
    const cancelTimer = this.clock.schedule(delayMs, () => {
      this.#cancels.delete(cancel);
      run();
    });
    const cancel = (): void => {
      cancelTimer();
      this.#cancels.delete(cancel);
    };
    this.#cancels.add(cancel);
    return cancel;
  }

  /** Resolves after `delayMs`, or when the run ends. */
  async sleep(delayMs: number): Promise<void> {
    if (this.ended) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        cancel();
        this.#sleepers.delete(wake);
        resolve();
      };
      const cancel = this.schedule(delayMs, wake);
      this.#sleepers.add(wake);
    });
  }

  /** A place to count the failures of one kind of call; see `Outage`. */
  outage(operation: string): Outage {
    return new Outage(this, operation);
  }

  end(): void {
    this.accepting = false;
    this.ended = true;
    for (const cancel of this.#cancels) cancel();
    for (const wake of this.#sleepers) wake();
    this.#cancels.clear();
    this.#sleepers.clear();
  }
}

/** The back-off of one kind of repo call while the store fails: each step is one `error` event and one wait. */
export class Outage {
  readonly #run: Run;
  readonly #operation: string;
  #stepMs = FIRST_STEP_MS;

  constructor(run: Run, operation: string) {
    this.#run = run;
    this.#operation = operation;
  }

  /** Makes one try. Resolves `undefined`, after reporting and waiting, when it failed. */
  async attempt<T>(call: () => Promise<T>): Promise<{ readonly value: T } | undefined> {
    try {
      const value = await this.#run.storage.attempt(this.#operation, call);
      this.#stepMs = FIRST_STEP_MS;
      return { value };
    } catch (error) {
      if (!this.#run.ended) this.#run.reporter.emit('error', asReported(this.#operation, error));
      const stepMs = this.#stepMs;
      this.#stepMs = Math.min(LONGEST_STEP_MS, stepMs * 2);
      await this.#run.sleep(stepMs);
      return undefined;
    }
  }

  /** Tries until it succeeds; resolves `undefined` only when the run has ended. */
  async persist<T>(call: () => Promise<T>): Promise<T | undefined> {
    while (!this.#run.ended) {
      const done = await this.attempt(call);
      if (done !== undefined) return done.value;
    }
    return undefined;
  }
}

function asReported(operation: string, error: unknown): SurehookError {
  return error instanceof SurehookError
    ? error
    : new StorageError(operation, messageOf(error), { cause: error });
}
