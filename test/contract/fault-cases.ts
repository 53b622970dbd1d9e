import type { OutcomeTally } from '../../src/domain/tally.ts';
import type { AppendEntry, LeaseTimes, PruneResult, Repos, WebhookStore } from '../../src/repos.ts';
import {
  aDelivery,
  anAttempt,
  anEntry,
  anEvent,
  aWebhook,
  LONG_AGO_MS,
} from '../../src/testing/contract/records.ts';

/** A store to be disturbed: empty at first, with a clock that stands still unless it is turned. */
export interface Stage {
  readonly repos: Repos & { readonly webhooks: WebhookStore };
  /** The store's time, epoch ms. */
  readonly now: number;
  advance(ms: number): Promise<void>;
  /** Everything that is stored, comparable with `toEqual`. */
  dump(): Promise<unknown>;
}

/** One port call that is disturbed at each of its statements. */
export interface FaultCase {
  before?(stage: Stage): Promise<unknown>;
  call(stage: Stage): Promise<unknown>;
  /** The port lets this one be applied item by item: a repetition does the rest. */
  readonly byItem?: true;
}

/** When every stage begins. */
export const START_MS: number = LONG_AGO_MS + 1_000_000;
const LEASE_MS = 60_000;
const DONE = { status: 'delivered' } as const;

const entry = anEntry({ id: 'dlv_one' });
const fanOut = anEvent({ idempotencyKey: 'key' });
const deliveries = ['a', 'b', 'c'].map((id) => aDelivery(fanOut, { id: `dlv_${id}` }));
const news: readonly AppendEntry[] = [anEntry({ id: 'dlv_new' }), { event: fanOut, deliveries }];
const shaped: AppendEntry = {
  event: fanOut,
  deliveries,
  bodies: new Map([
    ['dlv_a', Uint8Array.of(1, 2)],
    ['dlv_c', new Uint8Array(0)],
  ]),
};
const own = anEntry({ id: 'dlv_own', queue: 'own', webhookId: 'whk_own' });
const dead = anEntry({
  id: 'dlv_dead',
  status: 'exhausted',
  reason: 'cancelled',
  completedAt: LONG_AGO_MS,
});
const unheard = { event: anEvent({ id: 'evt_unheard' }), deliveries: [] };
const webhook = aWebhook({ id: 'whk_one', events: ['a.b', 'a.*'] });
const disabling = { webhookId: webhook.id, from: webhook.status, to: { state: 'disabled' } } as const;

const append = (stage: Stage, ...entries: readonly AppendEntry[]): Promise<unknown> =>
  stage.repos.events.append(entries, { now: stage.now });
const lease = ({ now }: Stage): LeaseTimes => ({ now, leaseUntil: now + LEASE_MS });
const claim = (stage: Stage): Promise<unknown> =>
  stage.repos.events.claimExpress({ ...lease(stage), limit: 9 });
const claimOwn = (stage: Stage): Promise<unknown> =>
  stage.repos.events.claimQueues({ ...lease(stage), queues: [{ webhookId: 'whk_own', limit: 3 }] });
const settle = (stage: Stage, ...ids: readonly string[]): Promise<unknown> =>
  stage.repos.events.settle(
    ids.map((deliveryId) => ({ deliveryId, token: 1, attempt: anAttempt(), next: DONE })),
    { now: stage.now },
  );
const open = (stage: Stage): Promise<void> =>
  stage.repos.state.open([{ webhookId: 'whk_a', failures: 1, nextAt: 1 }], { now: stage.now });
const acquire = (stage: Stage): Promise<unknown> =>
  stage.repos.state.acquire({ ...lease(stage), healthy: 3, failing: 3 });
const claimed = async (stage: Stage): Promise<void> => {
  await append(stage, entry, own);
  await claim(stage);
  await claimOwn(stage);
};
const lost = async (stage: Stage): Promise<void> => {
  await claimed(stage);
  await stage.advance(LEASE_MS + 1);
};
const claimedAgain = async (stage: Stage): Promise<void> => {
  await lost(stage);
  await claim(stage);
};
/** Two that were delivered, with attempts, a dead letter, and an event that nobody heard. */
const ended = async (stage: Stage): Promise<void> => {
  await claimed(stage);
  await append(stage, dead, unheard);
  await settle(stage, 'dlv_one', 'dlv_own');
};
const prune = (stage: Stage, isForAttempts: boolean): Promise<PruneResult> => {
  const at = stage.now + 1;
  const ends = isForAttempts ? {} : { deliveredBefore: at, exhaustedBefore: at };
  return stage.repos.events.prune({ ...ends, attemptsBefore: at, limit: 9 });
};
const inLine = ['dlv_first', 'dlv_second'].map((id) =>
  anEntry({ id, queue: 'own', webhookId: 'whk_own', orderingKey: 'a' }),
);
const batch = { id: 'bat_one', maxEvents: 9, maxBytes: 9_999, maxWaitMs: 0 };
const claimBatch = (stage: Stage): Promise<unknown> =>
  stage.repos.events.claimQueues({
    ...lease(stage),
    queues: [{ webhookId: 'whk_own', limit: 1, batch }],
  });
const pair = [own, anEntry({ id: 'dlv_too', queue: 'own', webhookId: 'whk_own' })];
const batchClaimed = async (stage: Stage): Promise<void> => {
  await append(stage, ...pair);
  await claimBatch(stage);
};
const bucket = { bucket: 'tenant', perMinute: 60, burst: 5 };
const take = ({ repos, now }: Stage): Promise<unknown> =>
  repos.state.takeTokens([{ ...bucket, wanted: 3, atLeast: 1 }], { now });
const tally: OutcomeTally = {
  webhookId: 'whk_a',
  writer: 'w',
  startsAt: LONG_AGO_MS,
  succeeded: 1,
  failed: 0,
  latencies: [1],
};
const counted = ({ repos }: Stage): Promise<unknown> => repos.state.recordOutcomes([tally]);
const inserted = ({ repos }: Stage): Promise<boolean> => repos.webhooks.insert(webhook);

const WRITES: Readonly<Record<string, FaultCase>> = {
  'events.append': { before: (stage) => append(stage, entry), call: (stage) => append(stage, ...news) },
  'events.append of what is stored in part': {
    before: (stage) => append(stage, ...news.slice(1)),
    call: (stage) => append(stage, ...news),
  },
  'events.append with bodies of deliveries': {
    before: (stage) => append(stage, entry),
    call: (stage) => append(stage, ...news.slice(0, 1), shaped),
  },
  'events.claimExpress of some with bodies': { before: (stage) => append(stage, shaped), call: claim },
  'events.claimExpress': { before: (stage) => append(stage, entry), call: claim },
  'events.claimExpress of a lost claim': { before: lost, call: claim },
  'events.claimQueues': { before: (stage) => append(stage, own), call: claimOwn },
  'events.claimQueues of a lost claim': { before: lost, call: claimOwn },
  'events.settle': { before: claimed, call: (stage) => settle(stage, 'dlv_one', 'dlv_own') },
  'events.settle, one of two too late': {
    before: claimedAgain,
    call: (stage) => settle(stage, 'dlv_one', 'dlv_own'),
    byItem: true,
  },
  'events.exhaustQueue': {
    before: (stage) => append(stage, own),
    call: ({ repos, now }) =>
      repos.events.exhaustQueue({ webhookId: 'whk_own', reason: 'cancelled', now, limit: 9 }),
  },
  'events.claimQueues of a batch': { before: (stage) => append(stage, ...pair), call: claimBatch },
  'events.settle of a batch': {
    before: batchClaimed,
    call: ({ repos, now }) => {
      const others = [{ deliveryId: 'dlv_too', token: 1 }];
      const settlement = { deliveryId: 'dlv_own', token: 1, others, attempt: anAttempt(), next: DONE };
      return repos.events.settle([settlement], { now });
    },
  },
  'events.settle of one that others wait for': {
    before: async (stage) => {
      await append(stage, ...inLine);
      await claimOwn(stage);
      await claimOwn(stage);
    },
    call: (stage) => settle(stage, 'dlv_first'),
  },
  'events.exhaustQueue of a line': {
    before: (stage) => append(stage, ...inLine),
    call: ({ repos, now }) =>
      repos.events.exhaustQueue({ webhookId: 'whk_own', reason: 'cancelled', blocks: true, now, limit: 1 }),
  },
  'events.markReplay': {
    before: (stage) => append(stage, dead),
    call: ({ repos, now }) => repos.events.markReplay(['dlv_dead'], { now }),
  },
  'events.cancel': {
    before: (stage) => append(stage, entry, own),
    call: ({ repos, now }) => repos.events.cancel(['dlv_one', 'dlv_own'], { now }),
  },
  'events.cancel of one that others wait for': {
    before: async (stage) => {
      await append(stage, ...inLine);
      await claimOwn(stage);
      const end = { status: 'exhausted', reason: 'cancelled', blocks: true } as const;
      const settlement = { deliveryId: 'dlv_first', token: 1, attempt: anAttempt(), next: end };
      await stage.repos.events.settle([settlement], { now: stage.now });
    },
    call: ({ repos, now }) => repos.events.cancel(['dlv_first'], { now }),
  },
  'events.promoteReplays': {
    before: async (stage) => {
      await append(stage, dead);
      await stage.repos.events.markReplay(['dlv_dead'], { now: stage.now });
    },
    call: ({ repos, now }) => repos.events.promoteReplays({ now, limit: 9 }),
  },
  'events.prune': { before: ended, call: (stage) => prune(stage, false), byItem: true },
  'events.prune of bodies': {
    before: async (stage) => {
      await append(stage, shaped);
      await claim(stage);
      await settle(stage, 'dlv_a', 'dlv_b');
    },
    call: (stage) => prune(stage, false),
    byItem: true,
  },
  'events.prune of attempts': { before: ended, call: (stage) => prune(stage, true), byItem: true },
  'webhooks.insert': { call: inserted },
  'webhooks.update': {
    before: inserted,
    call: ({ repos }) => repos.webhooks.update({ ...webhook, events: ['c'], revision: 2 }, 1),
  },
  'webhooks.setStatus': { before: inserted, call: ({ repos }) => repos.webhooks.setStatus([disabling]) },
  'webhooks.delete': { before: inserted, call: ({ repos }) => repos.webhooks.delete(webhook.id) },
  'state.open': { call: open },
  'state.acquire': { before: open, call: acquire },
  'state.save': {
    before: async (stage) => {
      await open(stage);
      await acquire(stage);
    },
    call: ({ repos, now }) => {
      const change = { webhookId: 'whk_a', token: START_MS + 1, failures: 2, notBefore: 1, nextAt: 3 };
      return repos.state.save([change, { ...change, close: true }], { now });
    },
    byItem: true,
  },
  'state.reset': {
    before: open,
    call: ({ repos, now }) => repos.state.reset([{ webhookId: 'whk_a', nextAt: null }], { now }),
  },
  'state.takeTokens': { call: take },
  'state.takeTokens of one that gave before': { before: take, call: take },
  'state.returnTokens': {
    before: take,
    call: ({ repos, now }) => repos.state.returnTokens([{ ...bucket, count: 2 }], { now }),
  },
  'state.recordOutcomes': {
    before: counted,
    call: ({ repos }) =>
      repos.state.recordOutcomes([
        { ...tally, succeeded: 2 },
        { ...tally, writer: 'x' },
      ]),
  },
  'state.pruneState': {
    before: async (stage) => {
      await take(stage);
      await counted(stage);
      await stage.advance(LEASE_MS);
    },
    call: ({ repos, now }) => repos.state.pruneState({ now, outcomesBefore: LONG_AGO_MS + 1, limit: 9 }),
    byItem: true,
  },
};

const readsOfEvents = {
  getDeliveries: ({ repos }: Stage) => repos.events.getDeliveries(['dlv_one', 'dlv_own']),
  getEvents: ({ repos }: Stage) => repos.events.getEvents([entry.event.id, own.event.id]),
  attempts: ({ repos }: Stage) => repos.events.attempts('dlv_one'),
  listDeliveries: ({ repos }: Stage) => repos.events.listDeliveries({ limit: 9 }),
  ownQueues: ({ repos }: Stage) => repos.events.ownQueues({ limit: 9 }),
  deliveriesOf: ({ repos }: Stage) => repos.events.deliveriesOf(entry.event.id),
  getContents: ({ repos }: Stage) => repos.events.getContents(['dlv_one', 'dlv_own']),
  countDeliveries: ({ repos }: Stage) => repos.events.countDeliveries({ webhookId: 'whk_own', limit: 9 }),
};

const READS: Readonly<Record<string, FaultCase>> = {
  ...Object.fromEntries(
    Object.entries(readsOfEvents).map(([name, call]) => [`events.${name}`, { before: claimedAgain, call }]),
  ),
  'webhooks.getMany': { before: inserted, call: ({ repos }) => repos.webhooks.getMany([webhook.id]) },
  'webhooks.subscribers': {
    before: inserted,
    call: ({ repos }) => repos.webhooks.subscribers('tenant', 'a.b'),
  },
  'webhooks.list': { before: inserted, call: ({ repos }) => repos.webhooks.list({ limit: 9 }) },
  'state.outcomes': {
    before: counted,
    call: ({ repos }) => repos.state.outcomes({ webhookId: 'whk_a', since: 0 }),
  },
  'state.get': { before: open, call: ({ repos }) => repos.state.get(['whk_a']) },
};

/** Every call of the three ports by name, the operation first. */
export const faultCases: Readonly<Record<string, FaultCase>> = { ...WRITES, ...READS };

/** What an append in a transaction of the host's stores. */
export const appendedEntries: readonly AppendEntry[] = news;
