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

function publish(atMs: number, count = 1): Action {
  return { do: 'publish', atMs, node: 0, tenant: 0, type: 'a.b', count };
}

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
  told('two nodes', {
    nodes: 2,
    webhooks: [webhook(endpoint('flaky', 400, 'well')), webhook(endpoint('throttling', 300, 'well'))],
    actions: [publish(10, 3), publish(200, 2)],
  }),
];
