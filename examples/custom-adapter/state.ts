import type { QueueChange, QueueOpening, QueueRecord, SaveResult, StateRepo } from 'surehook';
import { type Database, inTurn, type Transaction } from './database.ts';
import { type Key, key, keys, type Order, under, upTo } from './keys.ts';
import { pruneTallies, putTally } from './tallies.ts';
import { giveBack, pruneBuckets, take } from './tokens.ts';

const HEALTHY: Order = ['turn', 'healthy'];
const FAILING: Order = ['turn', 'failing'];
const LEASED: Order = ['turn', 'leased'];
/** The highest token of a closed record: new ones begin above it. */
const CLOSED: Key<number> = key('closed-token');

/** One small record per webhook that has a queue of its own, in the order in which they are served. */
export function keyValueState(db: Database): StateRepo {
  return {
    async open(entries, { now }) {
      await db.update((tx) => inTurn(entries, (entry) => openOne(tx, entry, now)));
    },

    acquire: ({ now, leaseUntil, healthy, failing }) =>
      db.update(async (tx) => {
        // Where a lease has run out the queue stands by its `nextAt` again. Its token stays: its holder may still save.
        for await (const id of tx.scan(upTo(LEASED, now))) {
          const { leaseUntil: _, ...free } = await tx.must(keys.queue(id));
          await put(tx, free);
        }
        const due = await tx.range(upTo(HEALTHY, now), healthy);
        due.push(...(await tx.range(upTo(FAILING, now), failing)));
        const taken = await inTurn(due, ([, id]) => tx.must(keys.queue(id)));
        for (const record of taken) tx.move(record.webhookId, placesOf(record), []);
        const nextAt = await firstTurn(tx);
        const queues = taken.map((record) => ({ ...record, token: record.token + 1, leaseUntil }));
        queues.sort((a, b) => (a.nextAt ?? 0) - (b.nextAt ?? 0));
        for (const record of queues) await put(tx, record);
        return nextAt === undefined ? { queues } : { queues, nextAt };
      }),

    save: (changes) => db.update((tx) => inTurn(changes, (change) => saveOne(tx, change))),

    async reset(entries, { now }) {
      await db.update((tx) =>
        inTurn(entries, async ({ webhookId, nextAt }) => {
          const { wakes, token } =
            (await tx.get(keys.queue(webhookId))) ?? (await newRecord(tx, webhookId, now));
          await put(tx, { webhookId, failures: 0, notBefore: 0, nextAt, wakes: wakes + 1, token: token + 1 });
        }),
      );
    },

    get: (webhookIds) => db.getAll(webhookIds.map(keys.queue)),

    takeTokens: (requests, { now }) =>
      db.update((tx) => inTurn(requests, (request) => take(tx, request, now))),

    async returnTokens(entries) {
      await db.update((tx) => inTurn(entries, (entry) => giveBack(tx, entry)));
    },

    async recordOutcomes(tallies) {
      await db.update(async (tx) => {
        for (const tally of tallies) putTally(tx, tally);
      });
    },

    async outcomes({ webhookId, since }) {
      const found = await db.committed.range(keys.tallies(webhookId, since), Number.MAX_SAFE_INTEGER);
      return found.map(([, tally]) => tally);
    },

    pruneState: ({ now, outcomesBefore, limit }) =>
      db.update(async (tx) => {
        const removed = [await pruneTallies(tx, outcomesBefore, limit), await pruneBuckets(tx, now, limit)];
        return removed.some((count) => count >= limit);
      }),
  };
}

async function openOne(tx: Transaction, entry: QueueOpening, now: number): Promise<void> {
  const { webhookId, failures, nextAt } = entry;
  const known = await tx.get(keys.queue(webhookId));
  const { leaseUntil, ...record } = known ?? (await newRecord(tx, webhookId, now));
  const woken = { ...record, wakes: record.wakes + 1 };
  if (leaseUntil !== undefined && leaseUntil > now) await put(tx, { ...woken, leaseUntil });
  else if (known === undefined || (known.nextAt !== null && failures > 0 && known.failures === 0)) {
    await put(tx, { ...woken, failures, notBefore: failures > 0 ? nextAt : 0, nextAt });
  } else if (known.nextAt === null) await put(tx, woken);
  else await put(tx, { ...woken, nextAt: Math.max(known.notBefore, Math.min(known.nextAt, nextAt)) });
}

async function saveOne(tx: Transaction, change: QueueChange): Promise<SaveResult> {
  const { close, ifWakes, ...kept } = change;
  const known = await tx.get(keys.queue(change.webhookId));
  if (known?.token !== change.token) return { result: 'lost' };
  const { webhookId, token, wakes } = known;
  if (ifWakes !== undefined && ifWakes !== wakes) return { result: 'woken', wakes };
  if (!close) {
    // Never shorter: the call may be older than the one before it.
    const { leaseUntil } = kept;
    const end = leaseUntil && { leaseUntil: Math.max(leaseUntil, known.leaseUntil ?? 0) };
    await put(tx, { ...kept, ...end, wakes });
    return { result: 'saved', wakes };
  }
  tx.move(webhookId, placesOf(known), []);
  tx.delete(keys.queue(webhookId));
  tx.put(CLOSED, Math.max(token, (await tx.get(CLOSED)) ?? 0));
  return { result: 'closed' };
}

async function newRecord(tx: Transaction, webhookId: string, now: number): Promise<QueueRecord> {
  const token = Math.max(now, ((await tx.get(CLOSED)) ?? 0) + 1);
  return { webhookId, failures: 0, notBefore: 0, nextAt: null, wakes: 0, token };
}

async function put(tx: Transaction, record: QueueRecord): Promise<void> {
  const known = await tx.get(keys.queue(record.webhookId));
  tx.move(record.webhookId, known ? placesOf(known) : [], placesOf(record));
  tx.put(keys.queue(record.webhookId), record);
}

/** A free queue stands by its instant, a leased one where both instants have come; one that is held stands nowhere. */
function placesOf(record: QueueRecord): Key<string>[] {
  if (record.nextAt === null) return [];
  const free = record.failures === 0 ? HEALTHY : FAILING;
  return [key(...(record.leaseUntil === undefined ? free : LEASED), turnOf(record), record.webhookId)];
}

function turnOf({ nextAt, leaseUntil = 0 }: QueueRecord): number {
  return Math.max(nextAt ?? 0, leaseUntil);
}

/** The earliest instant at which a queue can be acquired. */
async function firstTurn(tx: Transaction): Promise<number | undefined> {
  const firsts = (await inTurn([HEALTHY, FAILING, LEASED], (order) => tx.range(under(order), 1))).flat();
  const turns = await inTurn(firsts, async ([, id]) => turnOf(await tx.must(keys.queue(id))));
  return turns.length === 0 ? undefined : Math.min(...turns);
}
