import type { Clock } from '../clock.ts';
import { HostCodeError } from '../errors.ts';

/** Whose work it is, and how long it may take. */
export interface Patience {
  readonly part: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** Waits for work of the host's code, which may never end. Rejects as the work does, or with `HostCodeError` when its time is up. */
export async function inTime<T>(work: Promise<T>, { part, clock, timeoutMs }: Patience): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const cancel = clock.schedule(timeoutMs, () => {
      reject(new HostCodeError(part, { cause: new Error(`no answer within ${timeoutMs} ms`) }));
    });
    void work.then(resolve, reject).finally(cancel);
  });
}
