import type { RateLimit } from '../domain/rate-limit.ts';
import type { TokenGrant, TokenReturn } from '../repos.ts';
import { BatchWriter } from '../runtime/batch-writer.ts';
import type { Outage } from '../runtime/run.ts';
import { Allowance } from './allowance.ts';
import type { Holding } from './holding.ts';
import type { RetryQueueParts } from './parts.ts';

interface Wish {
  readonly holding: Holding;
  readonly allowance: Allowance;
  readonly wanted: number;
}

/** The tokens of held queues whose webhooks have a rate: takes them, for many queues in one call, and puts back what was not spent. */
export class Rates {
  readonly #parts: RetryQueueParts;
  readonly #taker: BatchWriter<Wish, TokenGrant>;
  readonly #returns: Outage;
  #back: TokenReturn[] = [];
  #returning: Promise<void> = Promise.resolve();

  /** @param attend called with each queue about whose tokens something is known. */
  constructor(parts: RetryQueueParts, attend: (holding: Holding) => void) {
    const { run, state } = parts;
    this.#parts = parts;
    this.#returns = run.outage('state.returnTokens');
    this.#taker = new BatchWriter({
      run,
      operation: 'state.takeTokens',
      maxBatch: 500,
      // Tried again after a failure it may take twice: then the webhook gets less for a while, never more.
      write: (wishes) =>
        state.takeTokens(
          wishes.map(({ allowance, wanted }) => allowance.wish(wanted)),
          { now: run.now() },
        ),
      written: ({ holding, allowance }, grant) => {
        holding.busy = false;
        allowance.took(grant, run.now());
        if (holding.dropped) this.giveBack(holding);
        else attend(holding);
      },
      idle: () => parts.changed(),
    });
  }

  /** Whether tokens are being taken. */
  get isTaking(): boolean {
    return this.#taker.size > 0;
  }

  /** What a held queue may send by the rate that its webhook has now; `undefined` where it has none. */
  allowanceOf(holding: Holding, rate: RateLimit | undefined): Allowance | undefined {
    const { allowance } = holding;
    if (rate === undefined ? allowance === undefined : allowance?.isOf(rate)) return allowance;
    this.giveBack(holding);
    holding.allowance = rate && new Allowance(holding.webhookId, rate);
    return holding.allowance;
  }

  /** Takes up to `wanted` tokens for a held queue, which is busy until then. */
  take(holding: Holding, allowance: Allowance, wanted: number): void {
    holding.busy = true;
    this.#taker.add({ holding, allowance, wanted });
  }

  /** Puts back what a queue has taken and not spent. */
  giveBack({ allowance }: Holding): void {
    const leftover = allowance?.leftover();
    if (leftover === undefined) return;
    this.#back.push(leftover);
    if (this.#back.length === 1) this.#returning = this.#putBack();
  }

  /** Resolves when all that was given back has been put back, or could not be. */
  async settled(): Promise<void> {
    await this.#returning;
  }

  /** Tried once only: tokens put back twice would be more than the rate. Those that are not put back come again with time. */
  async #putBack(): Promise<void> {
    const { run, state } = this.#parts;
    const before = this.#returning;
    // What is given back in one turn of the engine makes one call.
    await run.sleep(0);
    if (run.ended) return;
    const entries = this.#back;
    this.#back = [];
    await this.#returns.attempt(() => state.returnTokens(entries, { now: run.now() }));
    await before;
  }
}
