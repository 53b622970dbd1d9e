import type { Clock } from '../../clock.ts';
import type { Transport } from '../../http/transport.ts';
import type { SurehookOptions } from '../../options.ts';
import type { Repos } from '../../repos.ts';
import { createSurehook, type Surehook } from '../../surehook.ts';

/** What decides about a call of the store: makes it, refuses it, or never answers. */
export type CallGuard = (operation: string, call: () => unknown, life: Life) => Promise<unknown>;

/** What a process is made of. */
export interface LifeParts {
  readonly repos: Repos;
  readonly clock: Clock;
  readonly transport: Transport;
  readonly guard: CallGuard;
  readonly options: Omit<SurehookOptions, 'repos' | 'clock' | 'transport'>;
}

/** What is never answered. */
export const never: Promise<never> = new Promise<never>(() => {});

/** A process with a surehook in it. Once it has ended nothing of it happens any more, and nothing is ever answered to it. */
export class Life {
  readonly surehook: Surehook;
  #hasEnded = false;
  readonly #cleanUps = new Set<() => void>();

  constructor({ repos, clock, transport, guard, options }: LifeParts) {
    this.surehook = createSurehook({
      ...options,
      clock: { now: () => clock.now(), schedule: (delayMs, run) => this.#schedule(clock, delayMs, run) },
      transport: { send: (request) => (this.#hasEnded ? never : this.seen(transport.send(request))) },
      repos: {
        webhooks: this.#guarded('webhooks', repos.webhooks, guard),
        events: this.#guarded('events', repos.events, guard),
        state: this.#guarded('state', repos.state, guard),
      },
    });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** As by SIGKILL. */
  end(): void {
    this.#hasEnded = true;
    for (const cleanUp of this.#cleanUps) cleanUp();
    this.#cleanUps.clear();
  }

  /** The outcome of a promise, for as long as the process lives. */
  seen<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.#hasEnded || resolve(value),
        (error: unknown) => this.#hasEnded || reject(error),
      );
    });
  }

  #schedule(clock: Clock, delayMs: number, run: () => void): () => void {
    if (this.#hasEnded) return () => {};
    const cancelTimer = clock.schedule(delayMs, () => {
      this.#cleanUps.delete(cancel);
      run();
    });
    const cancel = (): void => {
      cancelTimer();
      this.#cleanUps.delete(cancel);
    };
    this.#cleanUps.add(cancel);
    return cancel;
  }

  #guarded<T extends object>(port: string, repo: T, guard: CallGuard): T {
    return new Proxy(repo, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        if (name === 'onWork' || name === 'onChange') {
          return (listener: (news: unknown) => void) =>
            this.#listen((alive) => member.call(target, alive), listener);
        }
        return (...args: unknown[]) =>
          guard(`${port}.${String(name)}`, () => member.apply(target, args), this);
      },
    });
  }

  #listen(
    subscribe: (alive: (news: unknown) => void) => () => void,
    listener: (news: unknown) => void,
  ): () => void {
    const unsubscribe = subscribe((news) => (this.#hasEnded ? undefined : listener(news)));
    this.#cleanUps.add(unsubscribe);
    return () => {
      this.#cleanUps.delete(unsubscribe);
      unsubscribe();
    };
  }
}
