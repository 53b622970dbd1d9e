import type {
  AppendEntry,
  AppendResult,
  ClaimResult,
  DeliveryRecord,
  EventRepo,
  ExhaustRequest,
  LeaseTimes,
  QueueClaim,
  QueuesClaim,
  Settlement,
  SettleResult,
} from '../../../src/index.ts';
import type { Outcome, PortCall } from '../ports.ts';
import type { Timeline } from '../timeline.ts';
import { AttemptLaws } from './attempts.ts';
import type { BatchLaws } from './batches.ts';
import type { CancelLaws } from './cancels.ts';
import {
  differences,
  whenCancelled,
  whenClaimed,
  whenGivenUp,
  whenMarked,
  whenPromoted,
  whenSettled,
} from './expected.ts';
import type { Findings } from './findings.ts';
import { type DeliveryNotes, hasEnded, type Ledger } from './ledger.ts';
import type { OrderLaws } from './order.ts';

/** What the checks of stored state work with. */
export interface StoreLawParts {
  readonly ledger: Ledger;
  readonly findings: Findings;
  readonly events: EventRepo;
  readonly timeline: Timeline;
  /** When the lease of a claim that is made now runs out. */
  readonly leaseEnd: (times: LeaseTimes) => number;
  readonly batches: BatchLaws;
  readonly order: OrderLaws;
  readonly cancels: CancelLaws;
  /** Deliveries were marked for replay. */
  readonly marked: (call: PortCall, records: readonly DeliveryRecord[]) => void;
  /** A claim was lost; the notes hold the delivery as it was. */
  readonly lost: (notes: DeliveryNotes) => void;
  /** What a settlement that was applied tells others. */
  readonly settled: (notes: DeliveryNotes, settlement: Settlement, call: PortCall) => void;
}

/**
 * Every write to a delivery, held against what the ports promise: which record may become which (I3), under whose token (I4), and never under
 * two leases (I5). What a write should make of a record is worked out apart from the adapter, and compared with what the store then says.
 */
export class DeliveryLaws {
  readonly #parts: StoreLawParts;
  readonly #attempts: AttemptLaws;

  constructor(parts: StoreLawParts) {
    this.#parts = parts;
    this.#attempts = new AttemptLaws(parts);
  }

  /** Looks at what a call has made of the store. */
  async applied(call: PortCall, outcome: Outcome): Promise<void> {
    if ('error' in outcome) {
      if (call.name === 'events.append') await this.#refused(call.args[0] as readonly AppendEntry[]);
      return;
    }
    const { value } = outcome;
    switch (call.name) {
      case 'events.append':
        return this.#appended(call.args[0] as readonly AppendEntry[], value as readonly AppendResult[]);
      case 'events.claimExpress':
        return this.#claimed(call, {
          times: call.args[0] as LeaseTimes,
          result: value as ClaimResult,
          from: 'express',
        });
      case 'events.claimQueues':
        return this.#claimedQueues(call, value as readonly ClaimResult[]);
      case 'events.settle':
        return this.#settled(call, value as readonly SettleResult[]);
      case 'events.exhaustQueue':
        return this.#givenUp(call.args[0] as ExhaustRequest, value as readonly DeliveryRecord[]);
      case 'events.markReplay':
        return this.#marked(call, value as readonly DeliveryRecord[]);
      case 'events.cancel':
        return this.#cancelled(call, value as readonly DeliveryRecord[]);
      case 'events.promoteReplays':
        return this.#promoted(call.args[0] as { now: number }, value as readonly DeliveryRecord[]);
      default:
    }
  }

  // ------------------------------------------------------------------------------------------ appending

  async #appended(entries: readonly AppendEntry[], results: readonly AppendResult[]): Promise<void> {
    const { ledger, findings, events } = this.#parts;
    for (const [index, { event, deliveries, bodies }] of entries.entries()) {
      const result = results[index];
      if (result === undefined || result.duplicate !== ledger.events.has(result.event.id)) {
        findings.violate('I2', `append answered duplicate=${result?.duplicate} for event ${event.id}`);
        continue;
      }
      if (result.duplicate) {
        findings.mark('append: duplicate');
        continue;
      }
      ledger.events.set(event.id, event);
      for (const record of deliveries) ledger.addDelivery(record, event, bodies?.get(record.id));
    }
    const ids = results
      .filter(({ duplicate }) => !duplicate)
      .flatMap(({ deliveries }) => deliveries.map(({ id }) => id));
    const expected = entries
      .flatMap(({ deliveries }) => deliveries)
      .filter(({ id }) => ledger.deliveries.has(id));
    const stored = await events.getDeliveries(expected.map(({ id }) => id));
    if (stored.length < new Set(ids).size || stored.length !== expected.length) {
      findings.violate('I1', `append of ${expected.length} deliveries stored ${stored.length}`);
    }
  }

  /** An append that failed has stored nothing. */
  async #refused(entries: readonly AppendEntry[]): Promise<void> {
    const { ledger, findings, events } = this.#parts;
    findings.mark('append: conflict');
    const isNew = entries.filter(({ event }) => !ledger.events.has(event.id));
    const stored = await events.getEvents(isNew.map(({ event }) => event.id));
    const deliveries = await events.getDeliveries(
      isNew.flatMap((entry) => entry.deliveries.map(({ id }) => id)),
    );
    if (stored.length + deliveries.length > 0) {
      findings.violate(
        'I1',
        `a refused append stored ${stored.length} events and ${deliveries.length} deliveries`,
      );
    }
  }

  // ------------------------------------------------------------------------------------------ claiming

  async #claimedQueues(call: PortCall, results: readonly ClaimResult[]): Promise<void> {
    const times = call.args[0] as QueuesClaim;
    for (const [index, result] of results.entries()) {
      const from = times.queues[index] ?? { webhookId: '', limit: 0 };
      const { webhookId } = from;
      for (const { delivery } of result.deliveries) {
        if (delivery.webhookId !== webhookId)
          this.#parts.findings.violate('I3', `claimed ${delivery.id} in the queue of ${webhookId}`);
      }
      await this.#claimed(call, { times, result, from });
    }
  }

  async #claimed(
    call: PortCall,
    { times, result, from }: { times: LeaseTimes; result: ClaimResult; from: 'express' | QueueClaim },
  ): Promise<void> {
    const queue = from === 'express' ? 'express' : 'own';
    const { ledger, findings, timeline, leaseEnd } = this.#parts;
    const now = Math.floor(timeline.now);
    const touched = result.deliveries.flatMap(({ delivery }) => {
      const notes = ledger.deliveries.get(delivery.id);
      if (notes === undefined) findings.violate('I3', `claimed ${delivery.id}, which nobody stored`);
      return notes ?? [];
    });
    for (const notes of touched) this.#parts.order.claimed(notes, queue);
    const rule = from === 'express' ? undefined : from.batch;
    const records = result.deliveries.map(({ delivery }) => delivery);
    const batch =
      rule === undefined || touched.length === 0
        ? undefined
        : this.#parts.batches.claimed({ rule, members: touched, records });
    for (const notes of touched) {
      this.#judgeClaim(notes.record, { now, queue });
      if (notes.record.status === 'delivering') {
        findings.mark(`claim: a lost one, ${queue}`);
        this.#parts.lost(notes);
      }
      notes.record = whenClaimed(notes.record, leaseEnd(times), batch);
      if (notes.record.lost >= 2) findings.mark('claim: lost twice or more');
      const { token } = notes.record;
      notes.claims.set(token, { life: call.life, at: call.at, queue, ...(batch && { batchId: batch.id }) });
    }
    await this.#compare(call, touched);
  }

  #judgeClaim(record: DeliveryRecord, { now, queue }: { now: number; queue: string }): void {
    const { findings } = this.#parts;
    const { id, status, leaseUntil = 0, dueAt, token } = record;
    if (status === 'delivering' && leaseUntil > now)
      findings.violate(
        'I5',
        `${id} was claimed although token ${token} is leased for ${leaseUntil - now} ms more`,
      );
    else if (status !== 'delivering' && status !== 'pending' && status !== 'failed')
      findings.violate('I3', `${id} was claimed, but it is ${status}`);
    else if (status !== 'delivering' && dueAt > now)
      findings.violate('I11', `${id} was claimed ${dueAt - now} ms before it is due`);
    if (record.queue !== queue)
      findings.violate(
        'I3',
        `${id} was claimed from the ${queue} queue, but it waits in the ${record.queue} one`,
      );
  }

  // ------------------------------------------------------------------------------------------ settling

  async #settled(call: PortCall, results: readonly SettleResult[]): Promise<void> {
    const { ledger, findings, settled } = this.#parts;
    const settlements = call.args[0] as readonly Settlement[];
    const { now } = call.args[1] as { now: number };
    const touched = new Set<DeliveryNotes>();
    for (const [index, settlement] of settlements.entries()) {
      const result = results[index];
      if (result === undefined) continue;
      for (const one of partsOf(settlement)) {
        const notes = ledger.deliveries.get(one.deliveryId);
        if (notes === undefined) continue;
        this.#judgeSettlement(notes, one, result);
        this.#settledOne(notes, one, { result, now });
        touched.add(notes);
        if (result === 'applied') settled(notes, one, call);
      }
      if (result !== 'unknown') findings.mark(`settle: ${result}`);
      const wasStored = result === 'applied' || result === 'repeated';
      if (settlement.others !== undefined && wasStored) findings.mark(`settle: a batch, ${result}`);
    }
    for (const [index, settlement] of settlements.entries())
      if (results[index] === 'applied') this.#parts.batches.settled(settlement, call.life);
    await this.#compare(call, [...touched]);
  }

  #settledOne(
    notes: DeliveryNotes,
    settlement: Settlement,
    { result, now }: { result: SettleResult; now: number },
  ): void {
    const { token } = settlement;
    // Of a batch each member is told by itself whether it was settled before.
    const own = result !== 'applied' && notes.settled.has(token) ? 'repeated' : result;
    const wasLate =
      settlement.attempt !== undefined && !notes.attempts.some((attempt) => attempt.token === token);
    notes.record = whenSettled(notes.record, settlement, { result: own, now, wasLate });
    if (own === 'applied') notes.settled.add(token);
  }

  #judgeSettlement({ record, claims }: DeliveryNotes, { token }: Settlement, result: SettleResult): void {
    const { findings } = this.#parts;
    const isHeld = record.status === 'delivering' && record.token === token;
    if (!claims.has(token))
      findings.violate('I4', `${record.id} was settled under token ${token}, which nobody was given`);
    if (result === 'applied' && !isHeld)
      findings.violate(
        'I4',
        `${record.id} is ${record.status} under token ${record.token}; a settlement under ${token} was applied`,
      );
    if (result !== 'applied' && isHeld)
      findings.violate('I4', `${record.id}: the settlement of its holder (${token}) came to ${result}`);
  }

  async #givenUp(
    { now, webhookId, ...end }: ExhaustRequest,
    records: readonly DeliveryRecord[],
  ): Promise<void> {
    const touched = await this.#changed(records, (record) => {
      if (record.webhookId !== webhookId || record.queue !== 'own') return undefined;
      return record.status === 'pending' || record.status === 'failed'
        ? whenGivenUp(record, end, now)
        : undefined;
    });
    for (const notes of touched) this.#parts.order.givenUp(notes);
    if (records.length > 0) this.#parts.findings.mark(`queue given up: ${end.reason}`);
  }

  /** What waited is given up, whoever it held back goes on; everything else is left alone. */
  async #cancelled(call: PortCall, records: readonly DeliveryRecord[]): Promise<void> {
    const { ledger, findings, cancels } = this.#parts;
    const { now } = call.args[1] as { now: number };
    const ids = new Set(call.args[0] as readonly string[]);
    const isMissed = (id: string): boolean => {
      const notes = ledger.deliveries.get(id);
      return notes !== undefined && whenCancelled(notes.record, now) !== undefined;
    };
    for (const { id } of records) {
      const notes = ledger.deliveries.get(id);
      if (notes !== undefined) cancels.cancelled(notes);
    }
    await this.#changed(records, (record) => (ids.has(record.id) ? whenCancelled(record, now) : undefined));
    for (const id of ids)
      if (isMissed(id)) findings.violate('I24', `${id} was to be cancelled, and was left as it was`);
  }

  async #marked(call: PortCall, records: readonly DeliveryRecord[]): Promise<void> {
    const touched = await this.#changed(records, (record) =>
      record.status === 'exhausted' ? whenMarked(record) : undefined,
    );
    for (const notes of touched) {
      notes.sendingsBefore = notes.sendings.length;
      notes.attemptsBefore = notes.record.attempts;
      notes.wasReplayed = true;
      notes.markedAt = this.#parts.timeline.now;
      notes.cancelledAt = undefined;
      this.#parts.findings.mark('replay: marked');
    }
    this.#parts.marked(call, records);
  }

  async #promoted({ now }: { now: number }, records: readonly DeliveryRecord[]): Promise<void> {
    await this.#changed(records, (record) =>
      record.status === 'replaying' ? whenPromoted(record, now) : undefined,
    );
    if (records.length > 0) this.#parts.findings.mark('replay: promoted');
  }

  /** `change`: what becomes of a record; `undefined` where it may not be changed so. */
  async #changed(
    records: readonly DeliveryRecord[],
    change: (record: DeliveryRecord) => DeliveryRecord | undefined,
  ): Promise<DeliveryNotes[]> {
    const { ledger, findings } = this.#parts;
    const touched: DeliveryNotes[] = [];
    for (const { id } of records) {
      const notes = ledger.deliveries.get(id);
      const next = notes && change(notes.record);
      if (notes === undefined || next === undefined) {
        findings.violate(
          'I3',
          `${id} was changed from ${notes?.record.status ?? 'nothing'} in the ${notes?.record.queue} queue`,
        );
        continue;
      }
      notes.record = next;
      touched.push(notes);
    }
    await this.#compare(undefined, touched);
    return touched;
  }

  // ------------------------------------------------------------------------------------------ comparing

  /** Does the store hold what these records should be by now? */
  async #compare(call: PortCall | undefined, touched: readonly DeliveryNotes[]): Promise<void> {
    if (touched.length === 0) return;
    const { findings, events } = this.#parts;
    const stored = new Map(
      (await events.getDeliveries(touched.map(({ record }) => record.id))).map((record) => [
        record.id,
        record,
      ]),
    );
    for (const notes of touched) {
      const actual = stored.get(notes.record.id);
      const wrong = actual === undefined ? ['everything'] : differences(notes.record, actual);
      if (wrong.length > 0)
        findings.violate(
          'I3',
          `${notes.record.id} after ${call?.name ?? 'a change'}: ${wrong.join()} should be otherwise: ${JSON.stringify(actual)} instead of ${JSON.stringify(notes.record)}`,
        );
      if (actual !== undefined) notes.record = actual;
      await this.#attempts.check(notes);
    }
  }

  /** At the end: nothing was changed that no write told of, and nothing but retention removed anything (I1). */
  async audit(): Promise<void> {
    const { ledger, findings, events } = this.#parts;
    const all = [...ledger.deliveries.values()];
    const stored = new Map(
      (await events.getDeliveries([...ledger.deliveries.keys()])).map((record) => [record.id, record]),
    );
    for (const notes of all) {
      const actual = stored.get(notes.record.id);
      if (actual === undefined) findings.violate('I1', `${notes.record.id} is gone`);
      else if (differences(notes.record, actual).length > 0)
        findings.violate('I3', `${notes.record.id} was changed by no write that told of it`);
      await this.#attempts.check(notes);
      this.#attempts.audit(notes);
    }
  }

  /** After retention: what is gone must have ended. */
  async pruned(): Promise<void> {
    const { ledger, findings, events } = this.#parts;
    const stored = new Set((await events.getDeliveries([...ledger.deliveries.keys()])).map(({ id }) => id));
    for (const notes of [...ledger.deliveries.values()]) {
      if (!hasEnded(notes.record)) {
        if (!stored.has(notes.record.id))
          findings.violate('I1', `retention took ${notes.record.id}, which is ${notes.record.status}`);
        continue;
      }
      notes.attemptsPruned = true;
      if (stored.has(notes.record.id)) continue;
      ledger.removeDelivery(notes);
    }
    await this.#prunedEvents();
  }

  /** An event goes with its last delivery, and its key is free again. */
  async #prunedEvents(): Promise<void> {
    const { ledger, findings, events } = this.#parts;
    const stored = new Set((await events.getEvents([...ledger.events.keys()])).map(({ id }) => id));
    const needed = new Set([...ledger.deliveries.values()].map(({ record }) => record.eventId));
    for (const id of ledger.events.keys()) {
      if (stored.has(id)) continue;
      if (needed.has(id)) findings.violate('I1', `retention took event ${id}, which has deliveries`);
      ledger.events.delete(id);
    }
  }
}

/** Each delivery of a settlement by itself. */
function partsOf({ others = [], ...settlement }: Settlement): readonly Settlement[] {
  return [settlement, ...others.map((other) => ({ ...settlement, ...other }))];
}
