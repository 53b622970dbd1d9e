import assert from 'node:assert/strict';
import { ids, only, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { aDelivery, anAttempt, anEvent, freshId, HOSTILE, LONG_AGO_MS, times } from './records.ts';

/** What goes in comes out: any string, any byte, every field. */
export const roundTripLaws: readonly Law[] = lawsOf('round-trip', {
  'keeps every field of an event': async (context) => {
    const event = anEvent({
      source: 'billing',
      headers: { 'x-trace': 'abc', 'x-empty': '' },
      deliverAt: LONG_AGO_MS + 5,
      idempotencyKey: 'key',
      timestamp: LONG_AGO_MS + 1,
      createdAt: LONG_AGO_MS + 2,
    });
    await context.append({ event, deliveries: [aDelivery(event)] });
    same(only(await context.repos.events.getEvents([event.id])), event);
    same(only((await context.claimResult()).deliveries).event, event);
  },

  'keeps every field of an attempt': async (context) => {
    await context.publish(1);
    const attempt = anAttempt({
      responseBody: 'no " \\ \n 😀',
      responseHeaders: { 'content-type': 'text/plain', 'x-empty': '' },
      request: { url: 'https://example.com/?a=%20', headers: { 'webhook-signature': 'v1,*' } },
      error: { kind: 'invalid-response', message: "it's strange" },
      durationMs: 0.5,
    });
    const claimed = only(await context.claim());
    await context.settle(claimed, { status: 'exhausted', reason: 'not-sendable' }, attempt);
    const stored = only(await context.repos.events.attempts(claimed.id));
    same(stored, { ...attempt, number: 1, token: 1, late: false });
  },

  'keeps hostile strings as ids, types, tenants and keys, and finds them again': async (context) => {
    for (const text of HOSTILE) {
      const event = anEvent({
        id: `e${text}`,
        tenantId: text,
        type: text,
        idempotencyKey: text,
        source: text,
      });
      const delivery = aDelivery(event, { id: `d${text}`, webhookId: text });
      await context.append({ event, deliveries: [delivery] });
      same(only(await context.repos.events.getEvents([event.id])), event);
      same(only(await context.repos.events.getDeliveries([delivery.id])), delivery);
      const repeated = { event: { ...event, id: freshId('evt') }, deliveries: [] };
      same(only(await context.append(repeated)).duplicate, true, text);
    }
    for (const text of HOSTILE) {
      for (const query of [{ tenantId: text }, { webhookId: text }, { eventType: text }]) {
        same(ids(await context.repos.events.listDeliveries({ ...query, limit: 99 })), [`d${text}`]);
      }
    }
  },

  'keeps hostile strings as names of own queues': async (context) => {
    for (const text of HOSTILE) await context.publish(1, { queue: 'own', webhookId: text });
    const found = await context.repos.events.ownQueues({ limit: 99 });
    same(found.toSorted(), HOSTILE.toSorted());
    for (const text of HOSTILE) same(only(await context.claimOwn(text)).webhookId, text);
    await context.repos.state.open(
      HOSTILE.map((webhookId) => ({ webhookId, failures: 0, nextAt: LONG_AGO_MS })),
      { now: await context.now() },
    );
    for (const text of HOSTILE) same(only(await context.repos.state.get([text])).webhookId, text);
  },

  'keeps bodies byte for byte': async (context) => {
    const bodies = [
      new Uint8Array(0),
      Uint8Array.from({ length: 256 }, (_, byte) => byte),
      Uint8Array.of(0xff, 0xfe, 0x80, 0xc0, 0xed, 0xa0, 0x80),
      Uint8Array.of(0, 0, 0),
      new TextEncoder().encode('"😀\\u0000" \r\n'),
      Uint8Array.from({ length: 262_144 }, (_, index) => (index * 31 + (index >> 8)) & 0xff),
    ];
    const events = bodies.map((body) => anEvent({ body }));
    await context.append(...events.map((event) => ({ event, deliveries: [aDelivery(event)] })));
    const claimed = (await context.claimResult()).deliveries;
    for (const [index, { event }] of claimed.entries()) {
      assert.ok(event.body instanceof Uint8Array, 'a body is a Uint8Array');
      assert.ok(equalBytes(event.body, bodies[index]), `body ${index} came back changed`);
      const stored = only(await context.repos.events.getEvents([event.id]));
      assert.ok(equalBytes(stored.body, bodies[index]), `body ${index} came back changed`);
    }
    same(claimed.length, bodies.length);
  },

  'keeps large numbers of milliseconds': async (context) => {
    const farMs = 8_640_000_000_000_000;
    const { id } = only(await context.publish(1, { dueAt: farMs }));
    same((await context.delivery(id)).dueAt, farMs);
    same(await context.claimResult(), { deliveries: [], nextDueAt: farMs });
  },

  'hands out records that later changes do not reach': async (context) => {
    const published = await context.publish(3);
    const kept = structuredClone(published);
    const claimed = await context.claim();
    const keptClaims = structuredClone(claimed);
    for (const delivery of claimed) await context.settle(delivery, { status: 'delivered' }, anAttempt());
    same(published, kept);
    same(claimed, keptClaims);
    same((await context.repos.events.attempts(claimed[0]?.id ?? '')).length, times(1, String).length);
  },
});

function equalBytes(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0;
}
