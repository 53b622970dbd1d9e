import type { EventRepo, Work } from 'surehook';
import { append, remove, removeEvent } from './append.ts';
import { claimExpress, claimOwn } from './claims.ts';
import { type Database, inTurn } from './database.ts';
import { cancel, change, dropAttempts, giveUp, settle } from './deliveries.ts';
import { keys, type Order, partsOf, under, upTo } from './keys.ts';
import { Listeners } from './listeners.ts';
import { HELD, OWN, REPLAYS } from './places.ts';
import { keyValueReads } from './reads.ts';

/** Events, deliveries and attempts. Whatever a method changes is one batch. */
export function keyValueEvents(db: Database): EventRepo {
  const listeners = new Listeners<Work>();
  const quiet: Work = { express: false, replays: false, ownQueues: [] };

  return {
    ...keyValueReads(db),

    async append(entries, { tx }) {
      if (tx !== undefined) throw new TypeError('This store joins no transaction of the host: leave tx out');
      const results = await db.update((batch) => inTurn(entries, (entry) => append(batch, entry)));
      const added = results.flatMap(({ deliveries, duplicate }) => (duplicate ? [] : deliveries));
      const waiting = added.filter(({ status }) => status === 'pending' || status === 'failed');
      const own = waiting.filter(({ queue }) => queue === 'own').map(({ webhookId }) => webhookId);
      const express = own.length < waiting.length;
      if (waiting.length > 0) listeners.emit({ ...quiet, express, ownQueues: [...new Set(own)] });
      return results;
    },

    claimExpress: ({ limit, ...times }) => db.update((tx) => claimExpress(tx, limit, times)),

    claimQueues: ({ queues, ...times }) =>
      db.update((tx) => inTurn(queues, (queue) => claimOwn(tx, queue, times))),

    settle: (settlements, { now }) =>
      db.update((tx) => inTurn(settlements, (settlement) => settle(tx, settlement, now))),

    exhaustQueue: ({ webhookId, limit, ...giving }) =>
      db.update(async (tx) => {
        const waiting: string[] = [];
        // All of them are looked for before the first is given up, which may let another one out of HELD.
        for (const queue of [OWN, HELD]) {
          for await (const id of tx.scan(under([...queue, webhookId]))) {
            if (waiting.length >= limit) break;
            const { record } = await tx.must(keys.delivery(id));
            if (record.status !== 'delivering') waiting.push(id);
          }
        }
        return await inTurn(waiting, async (id) => giveUp(tx, await tx.must(keys.delivery(id)), giving));
      }),

    async ownQueues({ after, limit }) {
      const found: string[] = [];
      let { from, to } = under(OWN);
      if (after !== undefined) from = under([...OWN, after]).to;
      while (found.length < limit) {
        // From the first key of a queue to the first one behind it, however long it is.
        const [first] = await db.committed.range({ from, to }, 1);
        if (first === undefined) break;
        const webhookId = partsOf(first[0])[OWN.length] ?? '';
        found.push(webhookId);
        from = under([...OWN, webhookId]).to;
      }
      return found;
    },

    async markReplay(ids, { now, tokens }) {
      const tokenOf = tokens && new Map(ids.map((id, index) => [id, tokens[index]]));
      const marked = await db.update((tx) =>
        inTurn(ids, async (id) => {
          const delivery = await tx.get(keys.delivery(id));
          if (delivery?.record.status !== 'exhausted') return undefined;
          if (tokenOf !== undefined && tokenOf.get(id) !== delivery.record.token) return undefined;
          return change(tx, delivery, {
            status: 'replaying',
            token: delivery.record.token + 1,
            tries: 0,
            lost: 0,
            since: now,
          });
        }),
      );
      const records = marked.filter((record) => record !== undefined);
      if (records.length > 0) listeners.emit({ ...quiet, replays: true });
      return records;
    },

    async cancel(ids, { now }) {
      const changed = await db.update((tx) => inTurn(ids, (id) => cancel(tx, id, now)));
      const records = changed.filter((record) => record !== undefined);
      // Of a line another may have its turn now.
      const moved = records.filter(({ orderingKey }) => orderingKey !== undefined);
      const ownQueues = [...new Set(moved.map(({ webhookId }) => webhookId))];
      if (ownQueues.length > 0) listeners.emit({ ...quiet, ownQueues });
      return records;
    },

    async promoteReplays({ now, limit }) {
      const promoted = await db.update(async (tx) =>
        inTurn(await tx.range(under(REPLAYS), limit), async ([, id]) =>
          change(tx, await tx.must(keys.delivery(id)), { status: 'pending', queue: 'express', dueAt: now }),
        ),
      );
      if (promoted.length > 0) listeners.emit({ ...quiet, express: true });
      return promoted;
    },

    prune: ({ deliveredBefore, exhaustedBefore, attemptsBefore, limit }) =>
      db.update(async (tx) => {
        const oldest = async (order: Order, before = 0): Promise<string[]> =>
          before > 0 ? (await tx.range(upTo(order, before - 1), limit)).map(([, id]) => id) : [];
        const delivered = await oldest(['ended', 'delivered'], deliveredBefore);
        const exhausted = await oldest(['ended', 'exhausted'], exhaustedBefore);
        const unheard = await oldest(['unheard'], deliveredBefore);
        const removed = [...delivered, ...exhausted];
        let attempts = await dropAttempts(tx, removed);
        const lastOnes = (await inTurn(removed, (id) => remove(tx, id))).filter(Boolean);
        for (const id of unheard) await removeEvent(tx, id);
        const ofDelivered = await oldest(['attempted', 'delivered'], attemptsBefore);
        const ofExhausted = await oldest(['attempted', 'exhausted'], attemptsBefore);
        attempts += await dropAttempts(tx, [...ofDelivered, ...ofExhausted]);
        const lists = [delivered, exhausted, unheard, ofDelivered, ofExhausted];
        const more = lists.some(({ length }) => length >= limit);
        return { deliveries: removed.length, events: unheard.length + lastOnes.length, attempts, more };
      }),

    onWork: (listener) => listeners.add(listener),
  };
}
