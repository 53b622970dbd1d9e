import { AsyncLocalStorage } from 'node:async_hooks';
import type { Mark, Operation } from './protocol.ts';

/** A call in whose middle its process is to die. */
interface FatalCall {
  /** The chance that is taken. */
  readonly at: number;
  /** Chances that have gone by. */
  chances: number;
  isOver: boolean;
}

/** Kills its process when it comes to its mark. */
export class Suicide {
  readonly #mark: Mark | undefined;
  readonly #lastWords: (mark: string) => void;
  readonly #fatal = new AsyncLocalStorage<FatalCall>();
  #calls = 0;
  /** The chances that a call was found to have; its mark is brought within them. */
  #chances = Number.POSITIVE_INFINITY;
  #isCalm = false;

  constructor(mark: Mark | undefined, lastWords: (mark: string) => void) {
    this.#mark = mark;
    this.#lastWords = lastWords;
  }

  /** Never mind. */
  calm(): void {
    this.#isCalm = true;
  }

  /** Called by the store around its statements: a chance to die in the middle of the call that they belong to. */
  statement(): void {
    const call = this.#fatal.getStore();
    if (call === undefined || call.isOver) return;
    call.chances += 1;
    if (call.chances >= call.at) this.#die();
  }

  /** Makes a call with whatever the mark has for it. `counts` says of its result whether there was something to do. */
  async around<T>(operation: Operation, call: () => Promise<T>, counts: (result: T) => boolean): Promise<T> {
    const mark = this.#mark;
    if (this.#isCalm || mark?.operation !== operation) return await call();
    if (mark.at === 'inside') return await this.#inside(mark, call);
    if (mark.at === 'before') this.#count(mark);
    const result = await call();
    if (mark.at === 'after' && counts(result)) this.#count(mark);
    return result;
  }

  async #inside<T>(mark: Mark, call: () => Promise<T>): Promise<T> {
    this.#calls += 1;
    if (this.#calls < mark.call) return await call();
    // A request has no statements: it is on its way a moment later.
    if (mark.operation === 'send') setTimeout(() => this.#die(), 2);
    const fatal: FatalCall = { at: 1 + ((mark.statement - 1) % this.#chances), chances: 0, isOver: false };
    try {
      return await this.#fatal.run(fatal, call);
    } finally {
      fatal.isOver = true;
      if (fatal.chances > 0) this.#chances = fatal.chances;
    }
  }

  #count(mark: Mark): void {
    this.#calls += 1;
    if (this.#calls >= mark.call) this.#die();
  }

  #die(): void {
    const mark = this.#mark;
    if (this.#isCalm || mark === undefined) return;
    this.#lastWords(`${mark.at} ${mark.operation}`);
    process.kill(process.pid, 'SIGKILL');
    // The signal takes the other threads a moment; this one goes no further.
    for (;;);
  }
}
