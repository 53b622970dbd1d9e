import assert from 'node:assert/strict';
import { bytesInBatch } from '../../domain/batch.ts';
import type { DeliveryRecord } from '../../domain/delivery.ts';
import type { AppendEntry, DeliveryContent } from '../../repos.ts';
import type { LawContext } from './context.ts';
import { ids, only, rejectsWithConflict, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { aDelivery, anEvent, freshId, times } from './records.ts';

const OWN = { queue: 'own' } as const;
const encoder = new TextEncoder();

/** A delivery can have a body of its own, which its webhook gets in place of the event's. */
export const bodiesLaws: readonly Law[] = lawsOf('bodies', {
  'hands a delivery out with its own body, and others with the event’s': async (context) => {
    const entry = anEntry(['own one', undefined, 'own two']);
    const { event, deliveries } = entry;
    same(only(await context.append(entry)), { event, deliveries, duplicate: false });
    const claimed = (await context.claimResult()).deliveries;
    same(textsOf(claimed, deliveries), ['own one', 'the event’s', 'own two']);
    for (const one of claimed) same({ ...one.event, body: event.body }, event);
  },

  'hands it out so from a webhook’s own queue too, each time': async (context) => {
    const entry = anEntry(['own', undefined], OWN);
    await context.append(entry);
    for (const _ of times(2, String)) {
      const { deliveries } = await context.claimOwnResult('whk_any', { leaseMs: context.leaseMs });
      same(textsOf(deliveries, entry.deliveries), ['own', 'the event’s']);
      await context.outliveLease();
    }
  },

  'shows the event as it was published, and each delivery’s content with its own body': async (context) => {
    const { event, deliveries } = await stored(context, ['own', undefined]);
    same(only(await context.repos.events.getEvents([event.id])), event);
    const contents = await context.repos.events.getContents([...ids(deliveries), freshId('dlv')]);
    same(textsOf(contents, deliveries), ['own', 'the event’s']);
    for (const { delivery } of contents) same(delivery, await context.delivery(delivery.id));
    same(await context.repos.events.getContents([]), []);
  },

  'shows the content of a delivery as it is now, also after it has ended': async (context) => {
    const { deliveries } = await stored(context, ['own', undefined]);
    for (const claimed of await context.claim()) await context.settle(claimed, { status: 'delivered' });
    const contents = await context.repos.events.getContents(ids(deliveries));
    same(textsOf(contents, deliveries), ['own', 'the event’s']);
    for (const { delivery } of contents) same(delivery.status, 'delivered');
  },

  'keeps bodies byte for byte, the empty one too': async (context) => {
    const bodies = [
      new Uint8Array(0),
      Uint8Array.from({ length: 256 }, (_, byte) => byte),
      Uint8Array.of(0xff, 0xfe, 0x80, 0, 0xed, 0xa0),
      Uint8Array.from({ length: 262_144 }, (_, index) => (index * 31 + (index >> 8)) & 0xff),
    ];
    const event = anEvent();
    const deliveries = bodies.map(() => aDelivery(event));
    const own = new Map(deliveries.map(({ id }, index) => [id, bodies[index] ?? event.body]));
    await context.append({ event, deliveries, bodies: own });
    const contents = await context.repos.events.getContents(ids(deliveries));
    same(contents.length, bodies.length);
    for (const one of [...(await context.claimResult()).deliveries, ...contents]) {
      assert.ok(one.event.body instanceof Uint8Array, 'a body is a Uint8Array');
      const expected = own.get(one.delivery.id) ?? encoder.encode('another');
      assert.ok(Buffer.compare(one.event.body, expected) === 0, 'a body came back changed');
    }
  },

  'keeps the body of a delivery through its replay': async (context) => {
    const { deliveries } = await stored(context, ['own']);
    const end = { status: 'exhausted', reason: 'attempts-used-up' } as const;
    await context.settle(only(await context.claim()), end);
    const now = await context.now();
    await context.repos.events.markReplay(ids(deliveries), { now });
    await context.repos.events.promoteReplays({ now, limit: 9 });
    same(textsOf((await context.claimResult()).deliveries, deliveries), ['own']);
  },

  'does not let a repeated append change a body, nor give one': async (context) => {
    const entry = await stored(context, ['own', undefined]);
    const bodies = new Map(ids(entry.deliveries).map((id) => [id, encoder.encode('another')]));
    same(only(await context.append({ ...entry, bodies })).duplicate, true);
    same(textsOf((await context.claimResult()).deliveries, entry.deliveries), ['own', 'the event’s']);
  },

  'keeps no body of an append that was refused': async (context) => {
    const taken = await stored(context, [undefined]);
    const refused = anEntry(['own']);
    const conflicting = { ...taken, event: { ...taken.event, fingerprint: 'other' } };
    await rejectsWithConflict(context.append(refused, conflicting));
    const { bodies: _, ...plain } = refused;
    await context.append(plain);
    same(textsOf(await context.repos.events.getContents(ids(plain.deliveries)), plain.deliveries), [
      'the event’s',
    ]);
  },

  'forgets the body of a delivery that is pruned, while another of its event stays': async (context) => {
    const { event, deliveries, ...entry } = await stored(context, ['own', 'own too']);
    const gone = only(await context.claim({ limit: 1 }));
    await context.settle(gone, { status: 'delivered' });
    const deliveredBefore = (await context.now()) + 1;
    same((await context.repos.events.prune({ deliveredBefore, limit: 9 })).deliveries, 1);
    same(textsOf((await context.claimResult()).deliveries, deliveries), [undefined, 'own too']);
    const next = anEvent({ body: event.body });
    const again = { event: next, deliveries: [aDelivery(next, { id: gone.id })] };
    await context.append(again);
    same(entry.bodies?.size, 2);
    same(textsOf((await context.claimResult()).deliveries, again.deliveries), ['the event’s']);
  },

  'fills a batch by the bodies of the deliveries, and hands it out with them': async (context) => {
    const long = 'x'.repeat(1_000);
    const bodies = ['short', 'short', long, undefined, undefined];
    const entries = bodies.map((text) => anEntry([text], OWN));
    await context.append(...entries);
    const { event } = entries[0] ?? anEntry([]);
    const room = { ...event, body: encoder.encode('short') };
    const maxBytes = 2 * bytesInBatch(room) + 100;
    same(await batch(context, maxBytes), ['short', 'short']);
    same(await batch(context, maxBytes), [long]);
    same(await batch(context, maxBytes), ['the event’s', 'the event’s']);
  },
});

/** An event with one delivery for each text, which is that delivery's body; where there is none, it has the event's. */
function anEntry(texts: readonly (string | undefined)[], fields: Partial<DeliveryRecord> = {}): AppendEntry {
  const event = anEvent({ body: encoder.encode('the event’s') });
  const deliveries = texts.map(() => aDelivery(event, fields));
  const bodies = new Map<string, Uint8Array>();
  for (const [index, text] of texts.entries()) {
    if (text !== undefined) bodies.set(deliveries[index]?.id ?? '', encoder.encode(text));
  }
  return { event, deliveries, bodies };
}

async function stored(context: LawContext, texts: readonly (string | undefined)[]): Promise<AppendEntry> {
  const entry = anEntry(texts);
  await context.append(entry);
  return entry;
}

/** The bodies of deliveries, in the order of these; `undefined` for one that is not there. */
function textsOf(
  contents: readonly DeliveryContent[],
  deliveries: readonly DeliveryRecord[],
): readonly (string | undefined)[] {
  same(
    contents.every(({ delivery }) => deliveries.some(({ id }) => id === delivery.id)),
    true,
  );
  return deliveries.map(({ id }) => {
    const content = contents.find(({ delivery }) => delivery.id === id);
    return content && textOf(content);
  });
}

function textOf({ event }: DeliveryContent): string {
  return new TextDecoder().decode(event.body);
}

/** The bodies of one batch. */
async function batch(context: LawContext, maxBytes: number): Promise<readonly string[]> {
  const rule = { id: freshId('bat'), maxEvents: 9, maxBytes, maxWaitMs: 0 };
  const queues = [{ webhookId: 'whk_any', limit: 1, batch: rule }];
  const claimed = only(await context.repos.events.claimQueues({ ...(await context.lease()), queues }));
  return claimed.deliveries.map(textOf);
}
