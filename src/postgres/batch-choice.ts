import { type BatchMembership, batchKind, batchOf, bytesInBatch } from '../domain/batch.ts';
import type { BatchClaim } from '../repos.ts';
import { kindFieldsOf } from '../sql/event-columns.ts';
import type { CandidateRow } from './batch-statements.ts';

/** One that is there. */
export type Candidate = CandidateRow & { readonly id: string };

/** What is to be handed out as one batch; no members where nothing is. */
export interface Chosen {
  /** In the order of their append. */
  readonly members: readonly Member[];
  readonly batch: BatchMembership | undefined;
  /** Until when a batch waits for more to come, epoch ms. */
  readonly ripeAt: number;
}

/** A delivery that goes into a batch. */
export type Member = Pick<Candidate, 'id' | 'status'>;

const NOTHING: Chosen = { members: [], batch: undefined, ripeAt: 0 };

/** Chooses one batch after the other of what is due in a queue. */
export class Choice {
  #left: readonly Candidate[];
  readonly #now: number;

  constructor(candidates: readonly Candidate[], now: number) {
    this.#left = candidates;
    this.#now = now;
  }

  /** The next batch by that rule. `lock` takes the members of one that there is, as many as can be claimed. */
  async next(rule: BatchClaim, lock: (batchId: string) => Promise<readonly Member[]>): Promise<Chosen> {
    for (let [first] = this.#left; first !== undefined; [first] = this.#left) {
      const { batch_id: id, batch_size: size, refusals } = first;
      if (!first.whole || id === null) return this.#form(first, rule);
      const members = await lock(id);
      this.#left = this.#left.filter((candidate) => candidate.batch_id !== id);
      if (members.length === size) return { members, batch: { id, size, refusals }, ripeAt: 0 };
      // Somebody is just changing some of it: it is neither handed out nor dissolved now.
    }
    return NOTHING;
  }

  #form(first: Candidate, rule: BatchClaim): Chosen {
    const { length: size, isFull } = batchOf(this.#left.slice(0, rule.maxEvents + 1).map(judgedOf), rule);
    const ripeAt = isFull ? 0 : first.due_at + rule.maxWaitMs;
    if (ripeAt > this.#now) return { ...NOTHING, ripeAt };
    // The same members make the same bytes, whenever each of them was due.
    const members = this.#left.slice(0, size).sort((a, b) => a.seq - b.seq);
    this.#left = this.#left.slice(size);
    return { members, batch: { id: rule.id, size, refusals: 0 }, ripeAt: 0 };
  }
}

function judgedOf({ event_id: id, event_type: type, body_length, extra, tries, whole }: Candidate): Judged {
  return {
    bytes: bytesInBatch({ id, type, body: { byteLength: body_length } }),
    kind: batchKind(kindFieldsOf(extra)),
    tries,
    isTaken: whole,
  };
}

type Judged = Parameters<typeof batchOf>[0][number];

/** Whether it is one. */
export function isCandidate(row: CandidateRow): row is Candidate {
  return row.id !== null;
}
