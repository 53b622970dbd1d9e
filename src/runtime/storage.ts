/** How repos are called: every call is bounded in time, and what it rejects with is one of our errors. */
import pRetry from 'p-retry';
import { type Clock, sleep } from '../clock.ts';
import { messageOf, StorageError, SurehookError } from '../errors.ts';

/** Short retries of a call that somebody waits for. */
const SHORT_RETRIES = 2;
const SHORT_RETRY_MS = 50;

/** What a storage needs of its surroundings. */
export interface StorageParts {
  readonly clock: Clock;
  /** A call that has not settled after this counts as failed, in ms. */
  readonly timeoutMs: number;
}

/** The engine's way to its repos. */
export class Storage {
  readonly #parts: StorageParts;

  constructor(parts: StorageParts) {
    this.#parts = parts;
  }

  /**
   * Makes a call that a caller waits for: a few quick retries, all within the time-out. Rejects with `StorageError`, or
   * at once with the repo's own `SurehookError` or `TypeError` (a conflict, a wrong transaction handle).
   */
  async once<T>(operation: string, call: () => Promise<T>): Promise<T> {
    return await this.#bounded(operation, (isOver) =>
      pRetry(call, {
        retries: SHORT_RETRIES,
        // The waits are made below, by the injected clock: p-retry's own are made with the global timer.
        minTimeout: 0,
        onFailedAttempt: async ({ error, retriesLeft, attemptNumber }) => {
          if (retriesLeft > 0 && mayPass(error) && !isOver())
            await sleep(this.#parts.clock, SHORT_RETRY_MS * attemptNumber);
        },
        // Asked after that wait: once the caller has been told that the call failed, it is not made again.
        shouldRetry: ({ error }) => !isOver() && mayPass(error),
      }),
    );
  }

  /** Makes one try of a call. Rejects with `StorageError` or what `once` rejects with. */
  async attempt<T>(operation: string, call: () => Promise<T>): Promise<T> {
    return await this.#bounded(operation, call);
  }

  /** A repo that never answers must not stop the engine: after the time-out the call counts as failed. */
  async #bounded<T>(operation: string, call: (isOver: () => boolean) => Promise<T>): Promise<T> {
    const { clock, timeoutMs } = this.#parts;
    return await new Promise<T>((resolve, reject) => {
      let isOver = false;
      const cancel = clock.schedule(timeoutMs, () => {
        isOver = true;
        reject(new StorageError(operation, `no answer within ${timeoutMs} ms`));
      });
      const settle = (finish: () => void): void => {
        cancel();
        finish();
      };
      invoke(() => call(() => isOver)).then(
        (value) => settle(() => resolve(value)),
        (error: unknown) => settle(() => reject(asCallersError(operation, error))),
      );
    });
  }
}

/** A conflict or another answer of the repo's stays what it is; a fault may pass. */
function mayPass(error: unknown): boolean {
  return error instanceof StorageError || !(error instanceof SurehookError || error instanceof TypeError);
}

/** A repo may throw where it should reject, or return something that is no promise. */
async function invoke<T>(call: () => Promise<T>): Promise<T> {
  return await call();
}

function asCallersError(operation: string, error: unknown): unknown {
  return error instanceof SurehookError || error instanceof TypeError
    ? error
    : asStorageError(operation, error);
}

function asStorageError(operation: string, cause: unknown): StorageError {
  return cause instanceof StorageError ? cause : new StorageError(operation, messageOf(cause), { cause });
}
