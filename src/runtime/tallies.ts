import type { AttemptData } from '../domain/delivery.ts';
import { type FailureNote, latencyClass, type OutcomeTally, PERIOD_MS, periodOf } from '../domain/tally.ts';
import type { Random } from '../random.ts';
import type { StateRepo } from '../repos.ts';
import type { Outage, Run } from './run.ts';

/** How long what was counted waits to be stored, ms: what health tells may be that old. */
const STORE_EVERY_MS = 10_000;
/** Tallies that one call stores. */
const MAX_BATCH = 500;
/** So many are kept; beyond that all that is stored is forgotten. */
const MAX_KEPT = 10_000;

interface Tally {
  readonly webhookId: string;
  readonly writer: string;
  readonly startsAt: number;
  readonly latencies: number[];
  succeeded: number;
  failed: number;
  lastSuccessAt: number | undefined;
  lastFailure: FailureNote | undefined;
  /** It waits to be stored. */
  isChanged: boolean;
}

/** What tallies are stored with. */
export interface TalliesParts {
  readonly run: Run;
  readonly state: StateRepo;
  readonly random: Random;
}

/** Counts, by webhook and period, how attempts of this process end, and stores that from time to time. */
export class Tallies {
  readonly #parts: TalliesParts;
  readonly #outage: Outage;
  /** The newest of each webhook. */
  readonly #newest = new Map<string, Tally>();
  #writer = '';
  #made = 0;
  /** Those not stored as they are, of whatever period. */
  #changed: Tally[] = [];
  #isWaiting = false;
  #storing: Promise<void> = Promise.resolve();

  constructor(parts: TalliesParts) {
    this.#parts = parts;
    this.#outage = parts.run.outage('state.recordOutcomes');
  }

  /** Takes note of an attempt that ended; one of a batch counts once. On the path of every attempt. */
  count(webhookId: string, succeeded: boolean, attempt: AttemptData): void {
    const at = attempt.startedAt + attempt.durationMs;
    const tally = this.#at(webhookId, at);
    const { latencies } = tally;
    const index = latencyClass(attempt.durationMs);
    while (latencies.length <= index) latencies.push(0);
    latencies[index] = (latencies[index] ?? 0) + 1;
    if (succeeded) {
      tally.succeeded += 1;
      tally.lastSuccessAt = at;
    } else {
      tally.failed += 1;
      tally.lastFailure = noteOf(attempt, at);
    }
    if (!tally.isChanged) this.#toStore(tally);
  }

  /** Stores what was counted. Resolves when it is stored, or the run has ended. */
  async store(): Promise<void> {
    this.#storing = this.#storing.then(() => this.#storeAll());
    await this.#storing;
  }

  #at(webhookId: string, at: number): Tally {
    const newest = this.#newest.get(webhookId);
    if (newest !== undefined && at < newest.startsAt + PERIOD_MS) return newest;
    if (this.#writer === '') this.#writer = Buffer.from(this.#parts.random.bytes(12)).toString('base64url');
    this.#made += 1;
    const tally: Tally = {
      webhookId,
      // Never the same twice, so that a tally that was forgotten is not overwritten by one that begins anew.
      writer: `${this.#writer}.${this.#made}`,
      startsAt: periodOf(at),
      latencies: [],
      succeeded: 0,
      failed: 0,
      lastSuccessAt: undefined,
      lastFailure: undefined,
      isChanged: false,
    };
    this.#newest.set(webhookId, tally);
    return tally;
  }

  #toStore(tally: Tally): void {
    tally.isChanged = true;
    this.#changed.push(tally);
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#parts.run.schedule(STORE_EVERY_MS, () => {
      this.#isWaiting = false;
      void this.store();
    });
  }

  async #storeAll(): Promise<void> {
    const { run, state } = this.#parts;
    let left = this.#changed;
    this.#changed = [];
    while (left.length > 0 && !run.ended) {
      const batch = left.slice(0, MAX_BATCH);
      // Before the call: what is counted while it is under way is stored by the next one.
      for (const tally of batch) tally.isChanged = false;
      const shown = batch.map(asStored);
      const done = await this.#outage.attempt(() => state.recordOutcomes(shown));
      left = done === undefined ? [...again(batch), ...left.slice(MAX_BATCH)] : left.slice(MAX_BATCH);
    }
    this.#forget(run.now());
  }

  /** What is stored and will not change any more goes; where there are too many, all that is stored. */
  #forget(now: number): void {
    const isFull = this.#newest.size > MAX_KEPT;
    for (const [webhookId, { isChanged, startsAt }] of this.#newest) {
      if (!isChanged && (isFull || startsAt < periodOf(now))) this.#newest.delete(webhookId);
    }
  }
}

/** What of a batch that was not stored is to be tried again now: what has changed since is stored in its turn. */
function again(batch: readonly Tally[]): readonly Tally[] {
  const same = batch.filter(({ isChanged }) => !isChanged);
  for (const tally of same) tally.isChanged = true;
  return same;
}

function noteOf({ httpStatus, error }: AttemptData, at: number): FailureNote {
  return error === undefined ? { at, httpStatus } : { at, httpStatus, ...error };
}

function asStored({ isChanged: _isChanged, lastSuccessAt, lastFailure, ...counts }: Tally): OutcomeTally {
  return {
    ...counts,
    latencies: [...counts.latencies],
    ...(lastSuccessAt !== undefined && { lastSuccessAt }),
    ...(lastFailure !== undefined && { lastFailure }),
  };
}
