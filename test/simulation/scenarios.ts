import {
  type Action,
  fairWeather,
  type Mood,
  type Plan,
  type PlanSettings,
  type WebhookPlan,
} from './plan.ts';

/** A small history told by hand, of which every crash is tried. */
export interface Scenario {
  readonly name: string;
  readonly plan: Plan;
  /** Whether all pairs of crashes are tried as well. */
  readonly hasPairs?: boolean;
}

const FOREVER = Number.POSITIVE_INFINITY;

const settings: PlanSettings = {
  retry: { kind: 'schedule', delaysMs: [0, 200, 400], jitter: 0 },
  backoff: { baseMs: 100, factor: 2, maxMs: 400, jitter: 0 },
  unavailableAfterMs: 60_000,
  maxRetryAfterMs: 2_000,
  timeoutMs: 300,
  leaseMs: 1_000,
  pollMs: 500,
  maxInFlight: 4,
  maxInFlightPerWebhook: 2,
  prefetch: 4,
  maxLost: 3,
  replaysPerSecond: 1_000,
  webhookCacheMs: 200,
  storageTimeoutMs: 500,
  retention: { deliveredMs: FOREVER, deadLetterMs: FOREVER, attemptsMs: FOREVER },
};

/** An endpoint by its moods: the first until that instant, and so on. */
function endpoint(...moods: readonly (Mood | number)[]): WebhookPlan['moods'] {
  const periods: { untilMs: number; mood: Mood }[] = [];
  for (const [index, mood] of moods.entries()) {
    const until = moods[index + 1];
    if (typeof mood === 'string')
      periods.push({ mood, untilMs: typeof until === 'number' ? until : FOREVER });
  }
  return periods;
}

function webhook(moods: WebhookPlan['moods'], more: Partial<WebhookPlan> = {}): WebhookPlan {
  return { tenant: 0, events: ['*'], atMostOnce: false, moods, ...more };
}

function publish(atMs: number, count = 1, orderingKeys?: number): Action {
  const action: Action = { do: 'publish', atMs, node: 0, tenant: 0, type: 'a.b', count };
  return orderingKeys === undefined ? action : { ...action, orderingKeys };
}

const twice: PlanSettings['retry'] = { kind: 'schedule', delaysMs: [0, 50], jitter: 0 };

interface Told extends Partial<Omit<Plan, 'settings'>> {
  readonly webhooks: readonly WebhookPlan[];
  readonly actions: readonly Action[];
  readonly settings?: Partial<PlanSettings>;
}

function told(name: string, { settings: changed, ...given }: Told, hasPairs = false): Scenario {
  const plan: Plan = {
    seed: 1,
    adapter: 'memory',
    hasStoreClock: false,
    nodes: 1,
    news: 'told',
    weather: fairWeather,
    faultsEndMs: 3_000,
    ...given,
    settings: { ...settings, ...changed },
  };
  return { name, plan, hasPairs };
}

/** The canonical scenarios: each a part of what the engine does, small enough for every crash in it. */
export const scenarios: readonly Scenario[] = [
  told('single', { webhooks: [webhook(endpoint('well'))], actions: [publish(10)] }, true),
  told('fan-out', {
    webhooks: [webhook(endpoint('well')), webhook(endpoint('slow')), webhook(endpoint('well'))],
    actions: [publish(10, 2), publish(40)],
  }),
  told(
    'retry, then success',
    { webhooks: [webhook(endpoint('failing', 450, 'well'))], actions: [publish(10), publish(30)] },
    true,
  ),
  told('exhaust', {
    webhooks: [webhook(endpoint('failing'))],
    actions: [publish(10), publish(20)],
    settings: { unavailableAfterMs: 8_000 },
  }),
  told('at-most-once', {
    webhooks: [
      webhook(endpoint('well'), { atMostOnce: true }),
      webhook(endpoint('failing', 100, 'well'), { atMostOnce: true }),
    ],
    actions: [publish(10), publish(200)],
  }),
  told('unavailable and back', {
    webhooks: [webhook(endpoint('unreachable', 2_000, 'well'))],
    actions: [
      publish(10),
      publish(900),
      publish(1_500),
      { do: 'enable', atMs: 2_100, node: 0, webhook: 0 },
      publish(2_200),
      { do: 'replay', atMs: 2_300, node: 0, count: 5 },
    ],
    settings: { unavailableAfterMs: 700 },
  }),
  told('disable in flight', {
    webhooks: [webhook(endpoint('slow'))],
    actions: [
      publish(10, 3),
      { do: 'disable', atMs: 100, node: 0, webhook: 0 },
      publish(300),
      { do: 'enable', atMs: 900, node: 0, webhook: 0 },
    ],
  }),
  told('stop in flight', {
    webhooks: [webhook(endpoint('slow')), webhook(endpoint('silent', 800, 'well'))],
    actions: [publish(10, 3), { do: 'stop', atMs: 60, node: 0, deadlineMs: 100, downMs: 200 }, publish(500)],
  }),
  told('stop with a backlog', {
    webhooks: [webhook(endpoint('slow')), webhook(endpoint('well'))],
    actions: [publish(10, 4), { do: 'stop', atMs: 60, node: 0, deadlineMs: 100, downMs: 200 }],
    settings: { leaseMs: 4_000 },
  }),
  told(
    'replay',
    {
      webhooks: [webhook(endpoint('failing', 700, 'well'))],
      actions: [publish(10), { do: 'replay', atMs: 1_200, node: 0, count: 5 }],
      settings: { retry: { kind: 'schedule', delaysMs: [0, 50], jitter: 0 } },
    },
    true,
  ),
  told('retention sweep', {
    webhooks: [webhook(endpoint('well')), webhook(endpoint('failing'), { atMostOnce: true })],
    actions: [publish(10), publish(1_000)],
    settings: { retention: { deliveredMs: 500, deadLetterMs: 500, attemptsMs: 300 }, pollMs: 8_000 },
    faultsEndMs: 62_000,
  }),
  told('overflow and back', {
    webhooks: [webhook(endpoint('slow'), { maxInFlight: 1 }), webhook(endpoint('well'))],
    actions: [publish(10, 6), publish(400, 2)],
  }),
  told('store outage', {
    webhooks: [webhook(endpoint('well')), webhook(endpoint('failing', 600, 'well'))],
    actions: [publish(10, 2), { do: 'outage', atMs: 25, forMs: 900 }, publish(1_200)],
  }),
  told('delete in flight', {
    webhooks: [webhook(endpoint('failing', 500, 'slow'))],
    actions: [publish(10, 3), { do: 'delete', atMs: 300, node: 0, webhook: 0 }, publish(400)],
  }),
  told('ordered, blocked and replayed', {
    webhooks: [webhook(endpoint('failing', 300, 'well'), { ordered: 'block' })],
    actions: [
      publish(10, 2, 1),
      publish(500, 2, 2),
      { do: 'replay', atMs: 700, node: 0, count: 5 },
      publish(720, 1, 1),
    ],
    settings: { retry: twice },
  }),
  told('ordered, skipped, and replayed while the next is under way', {
    webhooks: [webhook(endpoint('failing', 300, 'slow'), { ordered: 'skip', maxInFlight: 4 })],
    // The second publish proves the endpoint: after it there is room for more than one request.
    actions: [
      publish(10, 1, 1),
      publish(400, 2, 2),
      publish(1_000, 3, 2),
      { do: 'replay', atMs: 1_010, node: 0, count: 5 },
    ],
    settings: { retry: twice },
  }),
  told('ordered by two keys, on two nodes', {
    nodes: 2,
    webhooks: [webhook(endpoint('flaky', 300, 'slow'), { ordered: 'block' })],
    actions: [publish(10, 4, 2), publish(200, 2, 2)],
  }),
  told('batched', {
    webhooks: [
      webhook(endpoint('failing', 200, 'well'), {
        batch: { maxEvents: 3, maxBytes: 262_144, maxWaitMs: 50 },
      }),
    ],
    actions: [publish(10, 4), publish(100), publish(300, 2)],
  }),
  told('batched, refused and split', {
    webhooks: [
      webhook(endpoint('picky', 2_000, 'well'), { batch: { maxEvents: 4, maxBytes: 262_144, maxWaitMs: 0 } }),
    ],
    actions: [publish(10, 5), publish(40, 2)],
  }),
  told('ordered and batched, at most once', {
    webhooks: [
      webhook(endpoint('failing', 60, 'slow'), {
        atMostOnce: true,
        ordered: 'skip',
        batch: { maxEvents: 3, maxBytes: 600, maxWaitMs: 20 },
      }),
    ],
    actions: [publish(10, 3, 2), publish(300, 3, 2)],
  }),
  told('rate of a webhook', {
    nodes: 2,
    webhooks: [
      webhook(endpoint('failing', 200, 'well'), { rateLimit: { perMinute: 300, burst: 2 } }),
      webhook(endpoint('well')),
    ],
    actions: [publish(10, 3), publish(500)],
  }),
  told('rate of a tenant', {
    webhooks: [webhook(endpoint('well'))],
    actions: [publish(10, 2), publish(40, 2), publish(900)],
    settings: { rateLimit: { perMinute: 60, burst: 3 } },
  }),
  told('bytes of its own', {
    webhooks: [
      webhook(endpoint('failing', 100, 'well'), { shape: 'own' }),
      webhook(endpoint('well'), { shape: 'some' }),
      webhook(endpoint('well')),
    ],
    actions: [publish(10, 2), publish(300)],
    isSealed: true,
  }),
  told('cancelled', {
    webhooks: [
      webhook(endpoint('failing', 400, 'well'), { ordered: 'block' }),
      webhook(endpoint('failing', 400, 'well'), {
        batch: { maxEvents: 3, maxBytes: 262_144, maxWaitMs: 0 },
      }),
    ],
    actions: [
      publish(10, 3),
      { do: 'cancel', atMs: 150, node: 0, status: 'failed', count: 2 },
      { do: 'cancel', atMs: 250, node: 0, status: 'pending', count: 1 },
      { do: 'cancel', atMs: 500, node: 0, status: 'exhausted', count: 2 },
    ],
    settings: { retry: twice },
  }),
  told('many replayed', {
    webhooks: [webhook(endpoint('failing', 400, 'well')), webhook(endpoint('failing'))],
    actions: [publish(10, 3), { do: 'replay-many', atMs: 600, node: 0, tenant: 0 }],
    settings: { retry: twice },
  }),
  told('two nodes', {
    nodes: 2,
    webhooks: [webhook(endpoint('flaky', 400, 'well')), webhook(endpoint('throttling', 300, 'well'))],
    actions: [publish(10, 3), publish(200, 2)],
  }),
];
