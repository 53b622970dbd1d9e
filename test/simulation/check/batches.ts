import { type BatchClaim, bytesInBatch, type DeliveryRecord, type Settlement } from '../../../src/index.ts';
import type { Life } from '../life.ts';
import type { Sending } from '../network.ts';
import type { Timeline } from '../timeline.ts';
import type { Findings } from './findings.ts';
import { type DeliveryNotes, hasEnded, type Ledger } from './ledger.ts';
import { isTurn } from './order.ts';

/** What the checks of batches work with. */
export interface BatchLawParts {
  readonly ledger: Ledger;
  readonly findings: Findings;
  readonly timeline: Timeline;
  /** Whether a call of this process has not gone as it should. */
  readonly isTroubled: (life: Life) => boolean;
}

/** What is known of a batch: who was claimed in it, in which order, and what was sent under its id. */
interface BatchNotes {
  readonly members: readonly DeliveryNotes[];
  body: Uint8Array | undefined;
}

/** A batch that a claim handed out. */
export interface HandedOut {
  readonly rule: BatchClaim;
  readonly members: readonly DeliveryNotes[];
  /** As the claim returned them. */
  readonly records: readonly DeliveryRecord[];
}

/**
 * Batches: an id stands for the same members and the same bytes for ever; a delivery is in one of them at a time, and in none that could go on
 * without it; members end together, and a split loses none of them.
 */
export class BatchLaws {
  readonly #parts: BatchLawParts;
  readonly #batches = new Map<string, BatchNotes>();
  /** Every id that a batch was ever given, formed or split off. */
  readonly #ids = new Set<string>();

  constructor(parts: BatchLawParts) {
    this.#parts = parts;
  }

  /** Who is in a batch, in order. */
  membersOf(id: string): readonly DeliveryNotes[] {
    return this.#batches.get(id)?.members ?? [];
  }

  /** Looks at a batch before its members' notes are brought up to date. Returns what their records should say of it. */
  claimed({ rule, members, records }: HandedOut): DeliveryRecord['batch'] {
    const { findings } = this.#parts;
    const batch = records[0]?.batch;
    const id = batch?.id ?? '';
    if (records.some((record) => record.batch?.id !== id || record.batch.size !== records.length))
      findings.violate('I21', `batch ${id} of ${records.length} was claimed with members that say otherwise`);
    const before = members[0]?.record.batch;
    if (before?.id !== id) {
      this.#judgeForming(id, { rule, members, records });
      this.#batches.set(id, { members, body: undefined });
      return { id: rule.id, size: members.length, refusals: 0 };
    }
    findings.mark('batch: claimed again');
    const known = this.#batches.get(id);
    if (known === undefined) this.#batches.set(id, { members, body: undefined });
    else if (members.length !== known.members.length || members.some((one, at) => one !== known.members[at]))
      findings.violate(
        'I21',
        `batch ${id} was of ${namesOf(known.members)} and is claimed as ${namesOf(members)}`,
      );
    return before;
  }

  #judgeForming(id: string, { rule, members }: HandedOut): void {
    const { findings } = this.#parts;
    const now = Math.floor(this.#parts.timeline.now);
    findings.mark(members.length > 1 ? 'batch: formed of several' : 'batch: formed of one');
    if (id !== rule.id || this.#ids.has(id))
      findings.violate('I21', `batch ${id} was formed anew, not under ${rule.id}`);
    this.#ids.add(id);
    for (const { record } of members) {
      if (record.batch !== undefined && this.#isWhole(record.batch, record.webhookId, now))
        findings.violate(
          'I21',
          `${record.id} is in batch ${record.batch.id}, which is whole, and went into ${id}`,
        );
    }
    const bytes = members.reduce((sum, { event }) => sum + bytesInBatch(event), 0);
    if (members.length > rule.maxEvents || (members.length > 1 && bytes > rule.maxBytes))
      findings.violate('I21', `batch ${id} has ${members.length} members of ${bytes} bytes`);
    if (new Set(members.map(({ record }) => record.tries)).size > 1)
      findings.violate('I21', `batch ${id} is formed of deliveries with different tries`);
    this.#judgeWait(id, { rule, members, now });
  }

  /** Before the first has waited its time a batch is formed only where nothing more could come to it. */
  #judgeWait(
    id: string,
    { rule, members, now }: { rule: BatchClaim; members: readonly DeliveryNotes[]; now: number },
  ): void {
    const { ledger, findings } = this.#parts;
    // Members are in the order of publishing; the wait is that of the one that would be claimed first.
    const [first] = [...members].sort((a, b) => instantOf(a) - instantOf(b) || a.order - b.order);
    if (first === undefined || members.length === rule.maxEvents) return;
    if (now >= first.record.dueAt + rule.maxWaitMs) {
      if (rule.maxWaitMs > 0) findings.mark('batch: its first had waited long enough');
      return;
    }
    const { webhookId } = first.record;
    const isBehind = [...ledger.deliveries.values()].some(
      (one) => one.record.webhookId === webhookId && !members.includes(one) && isClaimable(one, ledger, now),
    );
    if (!isBehind)
      findings.violate(
        'I21',
        `batch ${id} was formed ${first.record.dueAt + rule.maxWaitMs - now} ms before its first had waited long enough`,
      );
  }

  #isWhole({ id, size }: DeliveryRecord['batch'] & object, webhookId: string, now: number): boolean {
    const { ledger } = this.#parts;
    const members = [...ledger.deliveries.values()].filter(
      ({ record }) => record.webhookId === webhookId && record.batch?.id === id && !hasEnded(record),
    );
    return members.length === size && members.every((one) => isClaimable(one, ledger, now));
  }

  /** A request of a batch: the members as they were published, in their order, and always the same bytes. */
  sent({ life, request }: Sending, id: string): void {
    const { findings } = this.#parts;
    const batch = this.#batches.get(id);
    if (batch === undefined) return;
    const body = `[${batch.members.map(({ event }) => elementOf(event)).join()}]`;
    if (Buffer.compare(Buffer.from(body), request.body) !== 0)
      findings.violate('I17', `${life.name} sends batch ${id} with another body than its members make`);
    if (batch.body !== undefined) {
      findings.mark('batch: sent again');
      if (Buffer.compare(batch.body, request.body) !== 0)
        findings.violate('I21', `batch ${id} was sent with other bytes before`);
    }
    batch.body = request.body;
  }

  /** Looks at a settlement that was applied, when all of its call are noted. */
  settled({ deliveryId, token, others = [], next, attempt }: Settlement, life: Life): void {
    const { ledger, findings } = this.#parts;
    const id = ledger.deliveries.get(deliveryId)?.claims.get(token)?.batchId;
    if (id === undefined) return;
    // Of a split each half is an ending of its own: where calls fail one may be stored later, or never, and then those are claimed by themselves.
    const isSplit = next.status === 'waiting' && next.batch !== undefined && next.batch.id !== id;
    const isApart = isSplit && this.#parts.isTroubled(life);
    for (const { record } of isApart ? [] : this.membersOf(id)) {
      if (record.status === 'delivering' && record.batch?.id === id)
        findings.violate('I21', `${record.id} was left under way when others of batch ${id} ended`);
    }
    if (next.status !== 'waiting') return;
    if (next.batch === undefined) {
      if (attempt?.counted)
        findings.violate('I21', `batch ${id} was sent, failed, and was not kept as it is`);
      return;
    }
    const count = others.length + 1;
    if (next.batch.size !== count)
      findings.violate('I21', `batch ${next.batch.id} has ${count} members and says ${next.batch.size}`);
    if (!isSplit) return;
    findings.mark('batch: split');
    if (this.#ids.has(next.batch.id)) findings.violate('I21', `batch ${next.batch.id} was split off twice`);
    this.#ids.add(next.batch.id);
  }
}

/** Whether a delivery can be claimed from its own queue at an instant. */
function isClaimable({ record }: DeliveryNotes, ledger: Ledger, now: number): boolean {
  const { status, queue, leaseUntil = 0, dueAt } = record;
  if (queue !== 'own' || !isTurn(record, ledger)) return false;
  if (status === 'delivering') return leaseUntil <= now;
  return (status === 'pending' || status === 'failed') && dueAt <= now;
}

function instantOf({ record }: DeliveryNotes): number {
  return record.leaseUntil ?? record.dueAt;
}

function elementOf({ id, body }: DeliveryNotes['event']): string {
  const envelope: object = JSON.parse(new TextDecoder().decode(body));
  return JSON.stringify({ id, ...envelope });
}

function namesOf(members: readonly DeliveryNotes[]): string {
  return members.map(({ record }) => record.id).join();
}
