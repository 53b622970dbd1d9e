/** What is heard of each transition, on the listeners and on the channels: once each, in this order, and nothing else. */
import { type ChannelListener, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type Delivery,
  retrySchedule,
  type SurehookEvents,
  type SurehookOptions,
  type Webhook,
} from '../../src/index.ts';
import type { TransportScript } from '../../src/testing/index.ts';
import {
  allDeliveries,
  atMostOnce,
  type Bench,
  bench,
  delayed,
  HOUR,
  hook,
  MINUTE,
  meddled,
  mortal,
  publishMany,
  rejection,
  running,
  SECOND,
} from './harness.ts';

type Name = keyof SurehookEvents;

/** What is written down of each. */
const notes: { readonly [N in Name]: (told: SurehookEvents[N][0]) => string } = {
  'event:published': ({ deliveries, filtered }) => `to ${deliveries.length}, not to ${filtered}`,
  'event:filtered': () => '',
  'delivery:attempted': ({ attempt, delivery }) =>
    `${attempt.httpStatus}${attempt.late ? ' late' : ''} ${delivery.status}`,
  'delivery:delivered': () => '',
  'delivery:failed': () => '',
  'delivery:exhausted': ({ delivery }) => `${delivery.reason}`,
  'delivery:replaying': ({ delivery }) => delivery.status,
  'webhook:created': ({ webhook }) => webhook.status.state,
  'webhook:updated': ({ webhook }) => `${webhook.name}`,
  'webhook:rotated': ({ webhook }) => webhook.signing,
  'webhook:deleted': () => '',
  'webhook:status': ({ from, to }) => `${from.state} > ${to.state}`,
  error: ({ code }) => code,
};
const names = Object.keys(notes) as Name[];

let subscribed: [channel: string, subscriber: ChannelListener][] = [];

afterEach(() => {
  for (const [channel, subscriber] of subscribed) unsubscribe(channel, subscriber);
  subscribed = [];
});

/** Everything that is told from now on; each has to come on its channel as well. */
class Ear {
  readonly told: unknown[] = [];
  readonly #heard: string[] = [];
  readonly #mirrored: unknown[] = [];

  constructor({ surehook }: Pick<Bench, 'surehook'>) {
    for (const name of names) {
      surehook.on(name, (told: unknown) => {
        this.told.push(told);
        this.#heard.push(`${name} ${notes[name](told as never)}`.trim());
      });
      const subscriber: ChannelListener = (message) => this.#mirrored.push(message);
      subscribe(`surehook:${name}`, subscriber);
      subscribed.push([`surehook:${name}`, subscriber]);
    }
  }

  /** What was told since the last time. */
  heard(): readonly string[] {
    expect(this.#mirrored).toEqual(this.told);
    return this.#heard.splice(0);
  }
}

interface Scenario {
  readonly what: string;
  readonly script?: TransportScript;
  readonly options?: Partial<SurehookOptions>;
  /** What is done before anybody listens. */
  readonly before?: (parts: Bench) => Promise<unknown>;
  readonly act: (parts: Bench, before: Webhook) => Promise<unknown>;
  readonly heard: readonly string[];
}

const once: Partial<SurehookOptions> = { retry: retrySchedule([0]) };
const publishes = async ({ surehook, clock }: Bench): Promise<void> => {
  await publishMany(surehook, 1);
  await clock.advance(MINUTE);
};
const only = async ({ surehook }: Pick<Bench, 'surehook'>): Promise<Delivery> => {
  const [delivery] = await allDeliveries(surehook);
  if (delivery === undefined) throw new Error('There is no delivery');
  return delivery;
};
/** A webhook that became unavailable, with one dead delivery. */
const unavailable: Pick<Scenario, 'script' | 'options' | 'before'> = {
  script: [500, 500, 200],
  options: { retry: retrySchedule([0, HOUR, HOUR]), unavailableAfterMs: MINUTE },
  before: async ({ surehook, clock }) => {
    await publishMany(surehook, 1);
    await clock.advance(2 * HOUR);
  },
};

const toDelivered = [
  'event:published to 1, not to 0',
  'delivery:attempted 200 delivered',
  'delivery:delivered',
];

const ofDeliveries: readonly Scenario[] = [
  { what: 'one that is delivered', act: publishes, heard: toDelivered },
  {
    what: 'one that fails, then is delivered',
    script: [500, 200],
    act: publishes,
    heard: [
      'event:published to 1, not to 0',
      'webhook:status enabled > retrying',
      'delivery:attempted 500 failed',
      'delivery:failed',
      'delivery:attempted 200 delivered',
      'delivery:delivered',
      'webhook:status retrying > enabled',
    ],
  },
  {
    what: 'one that uses its attempts up',
    script: 500,
    options: once,
    act: publishes,
    heard: [
      'event:published to 1, not to 0',
      'webhook:status enabled > retrying',
      'delivery:attempted 500 exhausted',
      'delivery:exhausted attempts-used-up',
      'webhook:status retrying > enabled',
    ],
  },
  {
    what: 'one whose endpoint is gone',
    script: 410,
    act: publishes,
    heard: [
      'event:published to 1, not to 0',
      'webhook:status enabled > disabled',
      'delivery:attempted 410 exhausted',
      'delivery:exhausted webhook-gone',
    ],
  },
  {
    what: 'one that waits when its webhook becomes unavailable',
    ...unavailable,
    before: async ({ surehook }) => await publishMany(surehook, 1),
    act: async ({ clock }) => await clock.advance(2 * HOUR),
    heard: [
      'webhook:status enabled > retrying',
      'delivery:attempted 500 failed',
      'delivery:failed',
      'delivery:exhausted webhook-unavailable',
      'webhook:status retrying > unavailable',
    ],
  },
  {
    what: 'one that is published to an unavailable webhook',
    ...unavailable,
    act: publishes,
    heard: ['event:published to 1, not to 0', 'delivery:exhausted webhook-unavailable'],
  },
  {
    what: 'one that is cancelled, again and again',
    act: async ({ surehook, clock }) => {
      const { deliveries } = await surehook.publish({
        type: 'a.b',
        data: 0,
        deliverAt: new Date(clock.now() + HOUR),
      });
      for (let n = 0; n < 3; n += 1) await surehook.deliveries.cancel(deliveries[0]?.id ?? '');
      await clock.advance(2 * HOUR);
    },
    heard: ['event:published to 1, not to 0', 'delivery:exhausted cancelled'],
  },
  {
    what: 'one that blocks others and is let go',
    script: [500, 200],
    options: once,
    before: async ({ surehook, clock }) => {
      await hook(surehook, 'ordered', { events: ['o'], delivery: { ordered: true } });
      await publishMany(surehook, 2, { type: 'o' });
      await clock.advance(MINUTE);
    },
    act: async ({ surehook, clock }) => {
      const blocking = (await allDeliveries(surehook)).find(({ blocks }) => blocks);
      await surehook.deliveries.cancel(blocking?.id ?? '');
      await clock.advance(MINUTE);
    },
    heard: ['delivery:attempted 200 delivered', 'delivery:delivered'],
  },
  {
    what: 'one that is replayed',
    script: [500, 200],
    options: once,
    before: publishes,
    act: async (parts) => {
      await parts.surehook.deliveries.replay((await only(parts)).id);
      await parts.clock.advance(MINUTE);
    },
    heard: ['delivery:replaying replaying', 'delivery:attempted 200 delivered', 'delivery:delivered'],
  },
  {
    what: 'many that are replayed, after a dry run',
    script: [500, 500, 200, 200],
    options: { ...once, replaysPerSecond: 1 },
    before: async ({ surehook, clock }) => {
      await publishMany(surehook, 2);
      await clock.advance(HOUR);
    },
    act: async ({ surehook, clock }) => {
      for (const dryRun of [true, false]) {
        const replaying = surehook.deliveries.replayMany({ eventType: 'a.b', dryRun });
        await clock.advance(MINUTE);
        expect(await replaying).toEqual({ count: 2 });
      }
    },
    heard: [
      'delivery:replaying replaying',
      'delivery:replaying replaying',
      'delivery:attempted 200 delivered',
      'delivery:delivered',
      'delivery:attempted 200 delivered',
      'delivery:delivered',
    ],
  },
  {
    what: 'one that is resent',
    before: publishes,
    act: async (parts) => {
      await parts.surehook.deliveries.resend((await only(parts)).id);
      await parts.clock.advance(MINUTE);
    },
    heard: toDelivered,
  },
  {
    what: 'one that is aborted by a stop',
    script: delayed(HOUR, 200),
    act: async ({ surehook, clock }) => {
      await publishMany(surehook, 1);
      await clock.advance(SECOND);
      const stopped = surehook.stop({ deadlineMs: 0 });
      await clock.advance(SECOND);
      await stopped;
    },
    heard: ['event:published to 1, not to 0', 'delivery:attempted 0 pending'],
  },
];

const ofBatches: readonly Scenario[] = [
  {
    what: 'one that goes well: each of its deliveries',
    options: { retry: retrySchedule([0, SECOND]) },
    before: async ({ surehook }) =>
      await hook(surehook, 'b', { events: ['b'], delivery: { mode: 'batched' } }),
    act: async ({ surehook, clock }) => {
      await surehook.publishMany([1, 2].map((data) => ({ type: 'b', data })));
      await clock.advance(MINUTE);
    },
    heard: [
      'event:published to 1, not to 0',
      'event:published to 1, not to 0',
      'delivery:attempted 200 delivered',
      'delivery:delivered',
      'delivery:attempted 200 delivered',
      'delivery:delivered',
    ],
  },
  {
    what: 'one that is refused until it is split: the attempt that splits it counts for none of them',
    script: [400, 400, 200, 200],
    options: { retry: retrySchedule([0, SECOND, SECOND]), backoff: { baseMs: 0, maxMs: 0 } },
    before: async ({ surehook }) =>
      await hook(surehook, 'b', { events: ['b'], delivery: { mode: 'batched' } }),
    act: async ({ surehook, clock }) => {
      await surehook.publishMany([1, 2].map((data) => ({ type: 'b', data })));
      await clock.advance(MINUTE);
    },
    heard: [
      'event:published to 1, not to 0',
      'event:published to 1, not to 0',
      'webhook:status enabled > retrying',
      'delivery:attempted 400 failed',
      'delivery:failed',
      'delivery:attempted 400 failed',
      'delivery:failed',
      'delivery:attempted 400 failed',
      'delivery:attempted 400 failed',
      'delivery:attempted 200 delivered',
      'delivery:delivered',
      'delivery:attempted 200 delivered',
      'delivery:delivered',
      'webhook:status retrying > enabled',
    ],
  },
];

const ofEvents: readonly Scenario[] = [
  {
    what: 'one that a filter keeps from a webhook',
    before: async ({ surehook }) => await hook(surehook, 1, { filter: { field: 'source', eq: 'shop' } }),
    act: publishes,
    heard: ['event:filtered', 'event:published to 1, not to 1', ...toDelivered.slice(1)],
  },
  {
    what: 'one that is published twice',
    act: async ({ surehook, clock }) => {
      for (let n = 0; n < 2; n += 1) await surehook.publish({ type: 'a.b', data: 0, idempotencyKey: 'k' });
      await clock.advance(MINUTE);
    },
    heard: toDelivered,
  },
  {
    what: 'one that is refused',
    act: async ({ surehook }) => await rejection(surehook.publish({ type: 'no type', data: 0 })),
    heard: [],
  },
  {
    what: 'one that nobody is subscribed to',
    act: async ({ surehook, clock }) => {
      await publishMany(surehook, 1, { tenantId: 'other' });
      await clock.advance(MINUTE);
    },
    heard: ['event:published to 0, not to 0'],
  },
];

const ofWebhooks: readonly Scenario[] = [
  {
    what: 'one that is made, changed, given a new key and deleted',
    act: async ({ surehook }) => {
      const { id } = await hook(surehook, 1, { name: 'first' });
      await surehook.webhooks.update(id, { name: 'second' });
      await surehook.webhooks.rotateSecret(id, { signing: 'ed25519' });
      await surehook.webhooks.delete(id);
    },
    heard: [
      'webhook:created enabled',
      'webhook:updated second',
      'webhook:rotated ed25519',
      'webhook:deleted',
    ],
  },
  {
    what: 'one whose new rate has its queue looked at',
    act: async ({ surehook, clock }, { id }) => {
      await surehook.webhooks.update(id, { rateLimit: { perMinute: 5 } });
      await clock.advance(MINUTE);
    },
    heard: ['webhook:updated undefined'],
  },
  {
    what: 'one that is disabled and enabled, each twice',
    act: async ({ surehook, clock }, { id }) => {
      for (const change of ['disable', 'disable', 'enable', 'enable'] as const)
        await surehook.webhooks[change](id);
      await clock.advance(MINUTE);
    },
    heard: ['webhook:status enabled > disabled', 'webhook:status disabled > enabled'],
  },
  {
    what: 'one that is deleted while two deliveries wait',
    script: 500,
    options: { retry: retrySchedule([0, HOUR]) },
    before: async ({ surehook, clock }) => {
      await publishMany(surehook, 2);
      await clock.advance(MINUTE);
    },
    act: async ({ surehook, clock }, { id }) => {
      await surehook.webhooks.delete(id);
      await clock.advance(2 * HOUR);
    },
    heard: ['webhook:deleted', 'delivery:exhausted webhook-deleted', 'delivery:exhausted webhook-deleted'],
  },
  {
    what: 'what cannot be done',
    act: async ({ surehook }, { id }) => {
      const { webhooks, deliveries } = surehook;
      await rejection(webhooks.create({ url: 'http://localhost', events: ['*'] }));
      await rejection(webhooks.update(id, { name: 1 as never }));
      await rejection(webhooks.delete('whk_unknown'));
      await rejection(deliveries.replay('dlv_unknown'));
      await rejection(deliveries.cancel('dlv_unknown'));
    },
    heard: [],
  },
  {
    what: 'one that is sent a test',
    act: async ({ surehook, clock }, { id }) => {
      await surehook.webhooks.sendTest(id);
      await clock.advance(MINUTE);
    },
    heard: toDelivered,
  },
];

describe.each([
  ['deliveries', ofDeliveries],
  ['batches', ofBatches],
  ['events', ofEvents],
  ['webhooks', ofWebhooks],
])('what is heard of %s', (_, scenarios) => {
  test.each(scenarios)('$what', async ({ script, options, before, act, heard }) => {
    const parts = await running(script, options);
    const webhook = await hook(parts.surehook, 0, { events: ['a.b'] });
    await before?.(parts);
    const ear = new Ear(parts);
    await act(parts, webhook);
    expect(ear.heard()).toEqual(heard);
  });
});

describe('what is heard of a process that was killed', () => {
  test.each([
    [{}, ['delivery:attempted 200 delivered', 'delivery:delivered']],
    [atMostOnce, ['delivery:exhausted outcome-unknown']],
  ])('what its successor makes of its deliveries: %o', async (mode, heard) => {
    const { clock, repos, transport } = bench([delayed(HOUR, 200), 200]);
    const first = mortal({ clock, repos, transport });
    await hook(first.surehook, 0, mode);
    await first.surehook.start();
    await publishMany(first.surehook, 1);
    await clock.advance(SECOND);
    first.kill();
    const second = mortal({ clock, repos, transport });
    const ear = new Ear(second);
    await second.surehook.start();
    await clock.advance(10 * MINUTE);
    expect(ear.heard()).toEqual(heard);
  });
});

test('a store that fails for a while: an error per step, and the outcome once it is stored', async () => {
  const parts = bench();
  let failures = 0;
  const repos = meddled(parts.repos, (call, run) => {
    if (call !== 'events.settle' || failures === 2) return run();
    failures += 1;
    throw new Error('away');
  });
  const { surehook } = bench(200, { clock: parts.clock, repos, transport: parts.transport });
  await surehook.start();
  await hook(surehook);
  const ear = new Ear({ surehook });
  await publishMany(surehook, 1);
  await parts.clock.advance(MINUTE);
  const [published, ...rest] = toDelivered;
  expect(ear.heard()).toEqual([published, 'error storage', 'error storage', ...rest]);
});

test('nothing that is told of a webhook shows its secrets', async () => {
  const parts = bench();
  const ear = new Ear(parts);
  const { webhook, secret } = await parts.surehook.webhooks.create({
    url: 'https://hook.example.com/in',
    events: ['*'],
    headers: { authorization: 'Bearer of-the-receiver' },
  });
  const rotation = await parts.surehook.webhooks.rotateSecret(webhook.id, { overlapMs: HOUR });
  await parts.surehook.webhooks.update(webhook.id, { name: 'n' });
  expect(ear.heard()).toHaveLength(3);
  const shown = inspect(ear.told, { depth: 9 });
  expect(shown).toContain(webhook.id);
  for (const hidden of [secret, rotation.secret, 'of-the-receiver']) expect(shown).not.toContain(hidden);
});
