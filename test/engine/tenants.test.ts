/** One tenant's face: it shows, takes and changes what is that tenant's, and what is another's is as unknown as what is missing. */
import { describe, expect, test } from 'vitest';
import { Deliveries } from '../../src/admin/deliveries.ts';
import { Webhooks } from '../../src/admin/webhooks.ts';
import {
  InvalidEventError,
  InvalidInputError,
  type NewEvent,
  type NewWebhook,
  type Published,
  type Surehook,
  type Webhook,
} from '../../src/index.ts';
import { forTenant, type TenantSurehook } from '../../src/tenant/tenant-surehook.ts';
import {
  allDeliveries,
  type Bench,
  bench,
  HOUR,
  hook,
  MINUTE,
  publishMany,
  rejection,
  running,
} from './harness.ts';

function faceOf(surehook: Surehook, tenantId: string): TenantSurehook {
  const { webhooks, deliveries } = surehook;
  return forTenant(
    {
      publish: (event, options) => surehook.publish(event, options),
      publishMany: (events, options) => surehook.publishMany(events, options),
      webhooks,
      deliveries,
    },
    tenantId,
  );
}

interface Two extends Bench {
  readonly face: TenantSurehook;
  /** Of the face's tenant. */
  readonly own: { readonly webhook: Webhook; readonly published: Published };
  readonly foreign: { readonly webhook: Webhook; readonly published: Published };
}

async function twoTenants(): Promise<Two> {
  const parts = bench();
  const of = async (tenantId: string) => ({
    webhook: await hook(parts.surehook, tenantId, { tenantId }),
    published: await parts.surehook.publish({ type: 'a.b', data: tenantId, tenantId }),
  });
  return { ...parts, own: await of('t1'), foreign: await of('t2'), face: faceOf(parts.surehook, 't1') };
}

const MISSING_WEBHOOK = 'whk_missing';
const MISSING_DELIVERY = 'dlv_missing';

/** What is asked about an id, by method. A method that is not here fails the test below. */
const byWebhook: {
  readonly [Name in Exclude<keyof TenantSurehook['webhooks'], 'create' | 'list'>]: (
    face: TenantSurehook,
    id: string,
  ) => Promise<unknown>;
} = {
  get: (face, id) => face.webhooks.get(id),
  update: (face, id) => face.webhooks.update(id, { name: 'taken over' }),
  rotateSecret: (face, id) => face.webhooks.rotateSecret(id),
  delete: (face, id) => face.webhooks.delete(id),
  enable: (face, id) => face.webhooks.enable(id),
  disable: (face, id) => face.webhooks.disable(id),
  sendTest: (face, id) => face.webhooks.sendTest(id),
  health: (face, id) => face.webhooks.health(id),
};

const byDelivery: {
  readonly [Name in Exclude<keyof TenantSurehook['deliveries'], 'list' | 'explain' | 'replayMany'>]: (
    face: TenantSurehook,
    id: string,
  ) => Promise<unknown>;
} = {
  get: (face, id) => face.deliveries.get(id),
  attempts: (face, id) => face.deliveries.attempts(id),
  replay: (face, id) => face.deliveries.replay(id),
  resend: (face, id) => face.deliveries.resend(id),
  cancel: (face, id) => face.deliveries.cancel(id),
};

/** How a call ended, with the id that it was about taken out. */
async function ending(call: Promise<unknown>, id: string): Promise<unknown> {
  return await call.then(
    (value) => ({ value }),
    (error: Error) => ({ ...error, message: error.message.replace(id, '…'), id: '…' }),
  );
}

/** Everything of the other tenant's. */
async function stateOfForeign({ surehook, foreign, repos }: Two): Promise<unknown> {
  return {
    webhooks: await repos.webhooks.getMany([foreign.webhook.id]),
    deliveries: (await allDeliveries(surehook)).filter(({ tenantId }) => tenantId === 't2'),
    queue: await repos.state.get([foreign.webhook.id]),
  };
}

describe('another tenant’s id ends like a missing one, and changes nothing:', () => {
  test.each(Object.entries(byWebhook))('webhooks.%s', async (_, call) => {
    const parts = await twoTenants();
    const before = await stateOfForeign(parts);
    const { id } = parts.foreign.webhook;
    const met = await ending(call(parts.face, id), id);
    expect(met).toEqual(await ending(call(parts.face, MISSING_WEBHOOK), MISSING_WEBHOOK));
    expect(met).toSatisfy((one) => 'value' in one || one.code === 'not-found');
    expect(await stateOfForeign(parts)).toEqual(before);
    expect(await ending(call(parts.face, ''), '')).toMatchObject({ field: 'id' });
  });

  test.each(Object.entries(byDelivery))('deliveries.%s', async (_, call) => {
    const parts = await twoTenants();
    const before = await stateOfForeign(parts);
    const id = parts.foreign.published.deliveries[0]?.id ?? '';
    const met = await ending(call(parts.face, id), id);
    expect(met).toEqual(await ending(call(parts.face, MISSING_DELIVERY), MISSING_DELIVERY));
    expect(met).toSatisfy((one) => 'value' in one || one.code === 'not-found');
    expect(await stateOfForeign(parts)).toEqual(before);
  });

  test('deliveries.explain', async () => {
    const { face, own, foreign } = await twoTenants();
    const explain = (eventId: string, webhookId: string) =>
      ending(face.deliveries.explain({ eventId, webhookId }), eventId);
    const missing = await explain('evt_missing', own.webhook.id);
    expect(missing).toMatchObject({ code: 'not-found', kind: 'event' });
    for (const webhookId of [own.webhook.id, foreign.webhook.id, MISSING_WEBHOOK]) {
      expect(await explain(foreign.published.event.id, webhookId)).toEqual(missing);
    }
    const eventId = own.published.event.id;
    const of = async (webhookId: string) =>
      await ending(face.deliveries.explain({ eventId, webhookId }), webhookId);
    expect(await of(foreign.webhook.id)).toEqual(await of(MISSING_WEBHOOK));
    expect(await of(own.webhook.id)).toMatchObject({ value: { verdict: 'waiting' } });
  });

  test('no method of the whole face is missing from these, nor from the tenant’s', async () => {
    const { face } = await twoTenants();
    const methodsOf = (one: object): string[] =>
      Object.getOwnPropertyNames(one)
        .filter((name) => name !== 'constructor')
        .sort();
    const known = { ...byWebhook, create: 0, list: 0 };
    expect(Object.keys(known).sort()).toEqual(methodsOf(Webhooks.prototype));
    expect(methodsOf(Object.getPrototypeOf(face.webhooks))).toEqual(methodsOf(Webhooks.prototype));
    const knownToo = { ...byDelivery, list: 0, explain: 0, replayMany: 0 };
    expect(Object.keys(knownToo).sort()).toEqual(methodsOf(Deliveries.prototype));
    expect(methodsOf(Object.getPrototypeOf(face.deliveries))).toEqual(methodsOf(Deliveries.prototype));
  });
});

describe('on its own', () => {
  test('every method does what that of the whole does', async () => {
    const { face, own, surehook } = await twoTenants();
    const { id } = own.webhook;
    expect(face.tenantId).toBe('t1');
    expect(await face.webhooks.get(id)).toEqual(own.webhook);
    expect(await face.webhooks.update(id, { name: 'mine' })).toMatchObject({ id, name: 'mine' });
    expect(await face.webhooks.disable(id)).toMatchObject({ status: { state: 'disabled' } });
    expect(await face.webhooks.enable(id)).toMatchObject({ status: { state: 'enabled' } });
    expect((await face.webhooks.rotateSecret(id)).secret).toMatch(/^whsec_/);
    expect(await face.webhooks.sendTest(id)).toMatchObject({ webhookId: id, tenantId: 't1' });
    expect(await face.webhooks.health(id, { windowMs: HOUR })).toEqual(
      await surehook.webhooks.health(id, { windowMs: HOUR }),
    );
    const deliveryId = own.published.deliveries[0]?.id ?? '';
    expect(await face.deliveries.get(deliveryId)).toEqual(await surehook.deliveries.get(deliveryId));
    expect(await face.deliveries.attempts(deliveryId)).toEqual([]);
    expect(await face.deliveries.cancel(deliveryId)).toMatchObject({ reason: 'cancelled' });
    expect(await face.deliveries.resend(deliveryId)).toMatchObject({ event: { tenantId: 't1' } });
    expect(await face.deliveries.replay(deliveryId)).toMatchObject({ status: 'replaying' });
    await face.webhooks.delete(id);
    expect(await face.webhooks.get(id)).toBeUndefined();
  });

  test('create and publish are for the tenant, named or not', async () => {
    const { face, surehook, transport, clock } = await twoTenants();
    const input: NewWebhook = { url: 'https://own.example.com/', events: ['*'] };
    for (const tenantId of [undefined, 't1']) {
      const { webhook } = await face.webhooks.create({ ...input, tenantId });
      expect(webhook.tenantId).toBe('t1');
    }
    const event: NewEvent = { type: 'a.b', data: 1 };
    expect((await face.publish(event)).event.tenantId).toBe('t1');
    const many = await face.publishMany([event, { ...event, tenantId: 't1' }]);
    expect(many.map(({ event: { tenantId } }) => tenantId)).toEqual(['t1', 't1']);
    await surehook.start();
    await clock.advance(MINUTE);
    expect(transport.requests.filter(({ url }) => url.includes('own'))).toHaveLength(6);
  });

  test('what replayMany marks, with and without conditions', async () => {
    const { surehook, clock } = await running(500);
    const atMostOnce = { delivery: { semantics: 'at-most-once' } } as const;
    for (const tenantId of ['t1', 't2']) {
      await hook(surehook, tenantId, { tenantId, ...atMostOnce });
      const deliverAt = new Date(clock.now() + MINUTE);
      const published = await publishMany(surehook, 3, { tenantId, deliverAt });
      for (const { deliveries } of published) await surehook.deliveries.cancel(deliveries[0]?.id ?? '');
    }
    await surehook.stop();
    const face = faceOf(surehook, 't1');
    const [foreign] = (await surehook.webhooks.list({ tenantId: 't2' })).items;
    expect(await face.deliveries.replayMany({ webhookId: foreign?.id })).toEqual({ count: 0 });
    expect(await face.deliveries.replayMany({ reason: 'cancelled', dryRun: true })).toEqual({ count: 3 });
    expect(await face.deliveries.replayMany({})).toEqual({ count: 3 });
    const marked = (await allDeliveries(surehook)).filter(({ status }) => status === 'replaying');
    expect(marked.map(({ tenantId }) => tenantId)).toEqual(['t1', 't1', 't1']);
  });
});

describe('lists', () => {
  test('show the tenant’s, whatever webhook is asked for and wherever the cursor is from', async () => {
    const { surehook, face, foreign, clock } = await twoTenants();
    for (const tenantId of ['t1', 't2', 't1', 't2']) {
      await clock.advance(1);
      await hook(surehook, tenantId, { tenantId });
      await surehook.publish({ type: 'a.b', data: 1, tenantId });
    }
    const tenants = (items: readonly { readonly tenantId: string }[]): string[] => [
      ...new Set(items.map(({ tenantId }) => tenantId)),
    ];
    expect(tenants((await face.webhooks.list()).items)).toEqual(['t1']);
    expect((await face.webhooks.list({ tenantId: 't1' })).items).toHaveLength(3);
    expect(tenants((await face.deliveries.list()).items)).toEqual(['t1']);
    expect((await face.deliveries.list({ webhookId: foreign.webhook.id })).items).toEqual([]);
    for (const [all, mine] of [
      [await surehook.webhooks.list({ tenantId: 't2', limit: 1 }), face.webhooks],
      [await surehook.deliveries.list({ tenantId: 't2', limit: 1 }), face.deliveries],
    ] as const) {
      const page = await mine.list({ cursor: all.cursor });
      expect(tenants(page.items)).toEqual(['t1']);
    }
  });
});

describe('another tenant named in an input is refused, and nothing is stored:', () => {
  test('webhooks, queries, filters', async () => {
    const parts = await twoTenants();
    const { face, own } = parts;
    const before = await stateOfForeign(parts);
    const tenantId = 't2';
    const named = { eventId: own.published.event.id, webhookId: own.webhook.id, tenantId };
    for (const call of [
      face.webhooks.create({ url: 'https://x.example.com/', events: ['*'], tenantId }),
      face.webhooks.list({ tenantId }),
      face.deliveries.list({ tenantId }),
      face.deliveries.replayMany({ tenantId }),
      face.deliveries.explain(named),
      face.webhooks.list({ tenantId: null as unknown as string }),
    ]) {
      const error = await rejection(call);
      expect(error).toBeInstanceOf(InvalidInputError);
      expect(error).toMatchObject({ field: 'tenantId' });
    }
    expect(await stateOfForeign(parts)).toEqual(before);
    expect((await face.webhooks.list()).items).toHaveLength(1);
  });

  test('events, one or among many, however they tell their tenant', async () => {
    const parts = await twoTenants();
    const { face } = parts;
    const before = await stateOfForeign(parts);
    const event: NewEvent = { type: 'a.b', data: 1, tenantId: 't2' };
    let reads = 0;
    const changing = {
      type: 'a.b',
      data: 1,
      get tenantId() {
        reads += 1;
        return reads === 1 ? 't1' : 't2';
      },
    };
    for (const call of [face.publish(event), face.publishMany([{ type: 'a.b', data: 1 }, event])]) {
      const error = await rejection(call);
      expect(error).toBeInstanceOf(InvalidEventError);
      expect(error).toMatchObject({ field: 'tenantId' });
    }
    expect((await face.publish(changing)).event.tenantId).toBe('t1');
    expect(await stateOfForeign(parts)).toEqual(before);
  });

  test.each([null, 'x', [], { type: 'a.b', data: 1, extra: 1 }])('%j is no event', async (event) => {
    const { face } = await twoTenants();
    expect(await rejection(face.publish(event as unknown as NewEvent))).toBeInstanceOf(InvalidEventError);
  });

  test.each([null, 'x', { length: 1 }])('%j are no events', async (events) => {
    const { face } = await twoTenants();
    const error = await rejection(face.publishMany(events as unknown as NewEvent[]));
    expect(error).toBeInstanceOf(InvalidInputError);
  });

  test.each([undefined, '', '*', 'null', 5, ['t1']])('%j names no tenant', (tenantId) => {
    const { surehook } = bench();
    expect(() => faceOf(surehook, tenantId as string)).toThrow(InvalidInputError);
  });
});
