import type { Random, RateLimit, RetryPolicyData } from '../../src/index.ts';
import { seededRandom } from '../../src/testing/index.ts';
import {
  type Action,
  type AdapterName,
  fairWeather,
  type Mood,
  type Plan,
  type PlanSettings,
  type Weather,
  type WebhookPlan,
} from './plan.ts';

/** Chance with the few questions that drawing a plan asks. */
class Dice {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** Whether something of that likelihood is the case. */
  is(share: number): boolean {
    return this.#random.next() < share;
  }

  /** From `low` on, below `high`. */
  between(low: number, high: number): number {
    return low + this.#random.next() * (high - low);
  }

  /** A whole number from `low` to `high`. */
  whole(low: number, high: number): number {
    return Math.floor(this.between(low, high + 1));
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.whole(0, choices.length - 1)] as T;
  }
}

/**
 * The plan of a seed. Swarm testing: each plan has only some kinds of faults, each with a strength of its own, because all at once hide what
 * few together would show.
 */
export function planOf(seed: number, adapter: AdapterName): Plan {
  const dice = new Dice(seed);
  const settings = drawSettings(dice);
  const hasStoreClock = adapter === 'memory' && dice.is(0.75);
  const tenants = dice.whole(1, 2);
  const modes = drawModes(new Dice(seed * 53 + 11));
  // Dice of its own: what was drawn before it was there stays as it was.
  const more = new Dice(seed * 59 + 13);
  const extras = drawExtras(more);
  const webhooks = Array.from({ length: dice.whole(1, 6) }, () => ({
    ...drawWebhook(dice, tenants, settings),
    ...modes(),
    ...extras(),
  }));
  const faultsEndMs = dice.whole(5_000, 30_000);
  const nodes = dice.pick([1, 1, 2, 2, 3]);
  const isCalm = dice.is(0.05);
  const base = { nodes, settings, webhooks: webhooks.length, tenants, untilMs: faultsEndMs, hasStoreClock };
  const load = drawLoad(dice, base);
  const actions = [
    ...load,
    ...(isCalm ? [] : [...drawFaults(dice, base), ...drawManagement(dice, base)]),
    ...drawInterventions(more, base, load),
  ];
  return {
    seed,
    adapter,
    hasStoreClock,
    nodes,
    news: dice.pick(['told', 'told', 'lossy', 'none']),
    settings: { ...settings, ...(more.is(0.15) && { rateLimit: drawTenantRate(more) }) },
    ...(more.is(0.15) && { isSealed: true }),
    webhooks,
    actions: actions.sort((a, b) => a.atMs - b.atMs),
    weather: isCalm ? fairWeather : drawWeather(dice, settings),
    faultsEndMs,
  };
}

function drawSettings(dice: Dice): PlanSettings {
  const leaseMs = dice.whole(1_000, 8_000);
  const retention = dice.is(0.2) ? dice.whole(2_000, 15_000) : Number.POSITIVE_INFINITY;
  return {
    retry: drawRetry(dice),
    backoff: {
      baseMs: dice.whole(50, 1_000),
      factor: dice.pick([1, 2, 4]),
      maxMs: dice.whole(1_000, 8_000),
      jitter: dice.pick([0, 0.1, 0.5]),
    },
    unavailableAfterMs: dice.whole(3_000, 25_000),
    maxRetryAfterMs: dice.whole(500, 6_000),
    timeoutMs: Math.floor(leaseMs * dice.between(0.1, 0.7)),
    leaseMs,
    pollMs: dice.whole(200, 2_000),
    maxInFlight: dice.whole(1, 16),
    maxInFlightPerWebhook: dice.whole(1, 5),
    prefetch: dice.whole(1, 24),
    maxLost: dice.pick([0, 1, 2, 10]),
    replaysPerSecond: dice.pick([5, 50, 1_000]),
    webhookCacheMs: dice.pick([1, 200, 1_000, 3_000]),
    storageTimeoutMs: dice.whole(300, 2_500),
    retention: dice.is(0.5)
      ? { deliveredMs: retention, deadLetterMs: retention, attemptsMs: retention }
      : {
          deliveredMs: Number.POSITIVE_INFINITY,
          deadLetterMs: Number.POSITIVE_INFINITY,
          attemptsMs: retention,
        },
  };
}

function drawRetry(dice: Dice): RetryPolicyData {
  const jitter = dice.pick([0, 0.1, 0.5]);
  const attempts = dice.whole(1, 5);
  if (dice.is(0.3))
    return { kind: 'exponential', baseMs: dice.whole(20, 1_000), factor: 2, maxMs: 3_000, attempts, jitter };
  return {
    kind: 'schedule',
    delaysMs: Array.from({ length: attempts }, (_, n) =>
      n === 0 ? dice.pick([0, 0, 300]) : dice.whole(10, 4_000),
    ),
    jitter,
  };
}

const moods: readonly Mood[] = [
  'well',
  'well',
  'slow',
  'flaky',
  'failing',
  'silent',
  'unreachable',
  'throttling',
  'redirecting',
  'picky',
  'leaving',
];

function drawWebhook(dice: Dice, tenants: number, settings: PlanSettings): WebhookPlan {
  const periods = dice.whole(0, 3);
  const changes = Array.from({ length: periods }, () => dice.whole(500, 30_000)).sort((a, b) => a - b);
  const last: Mood = dice.is(0.7) ? 'well' : dice.pick(moods);
  return {
    tenant: dice.whole(0, tenants - 1),
    events: dice.pick([['*'], ['*'], ['a.*'], ['a.b', 'c.d']]),
    ...(dice.is(0.2) && { parity: dice.pick([0, 1] as const) }),
    atMostOnce: dice.is(0.2),
    ...(dice.is(0.3) && { maxInFlight: dice.whole(1, settings.maxInFlight) }),
    ...(dice.is(0.2) && { retry: drawRetry(dice) }),
    moods: [
      ...changes.map((untilMs) => ({ untilMs, mood: dice.pick(moods) })),
      { untilMs: Number.POSITIVE_INFINITY, mood: last },
    ],
  };
}

type Modes = Pick<WebhookPlan, 'ordered' | 'batch'>;

/** What sets webhooks of one plan apart from plain ones; in most plans nothing does. */
function drawModes(dice: Dice): () => Modes {
  const [ordered, batched] = dice.pick([
    ...[
      [0, 0],
      [0, 0],
      [0, 0],
      [0.7, 0],
    ],
    ...[
      [0, 0.7],
      [0.4, 0.4],
    ],
  ] as const);
  return () => ({
    ...(dice.is(ordered) && { ordered: dice.pick(['block', 'skip'] as const) }),
    ...(dice.is(batched) && {
      batch: {
        maxEvents: dice.pick([1, 2, 3, 5, 100]),
        maxBytes: dice.pick([250, 600, 262_144]),
        maxWaitMs: dice.pick([0, 0, 50, 1_500]),
      },
    }),
  });
}

type Extras = Pick<WebhookPlan, 'rateLimit' | 'shape'>;

/** Rates and bytes of its own; in most plans no webhook has either. */
function drawExtras(dice: Dice): () => Extras {
  const limited = dice.pick([0, 0, 0, 0.6]);
  const shaped = dice.pick([0, 0, 0, 0.7]);
  return () => ({
    ...(dice.is(limited) && {
      rateLimit: { perMinute: dice.pick([100, 400, 1_500, 6_000]), burst: dice.pick([1, 1, 2, 3, 5]) },
    }),
    ...(dice.is(shaped) && { shape: dice.pick(['own', 'some'] as const) }),
  });
}

/** At most half of what is published in a burst passes. */
function drawTenantRate(dice: Dice): RateLimit {
  return { perMinute: dice.pick([20, 60, 300]), burst: dice.whole(1, 8) };
}

interface Extent {
  readonly nodes: number;
  readonly settings: PlanSettings;
  readonly webhooks: number;
  readonly tenants: number;
  readonly untilMs: number;
  readonly hasStoreClock: boolean;
}

function times(count: number, make: () => Action): Action[] {
  return Array.from({ length: count }, make);
}

function drawLoad(dice: Dice, { nodes, tenants, untilMs }: Extent): Action[] {
  const publish = (): Action => ({
    do: 'publish',
    atMs: dice.is(0.3) ? dice.whole(0, 200) : dice.between(0, untilMs),
    node: dice.whole(0, nodes - 1),
    tenant: dice.whole(0, tenants - 1),
    type: dice.pick(['a.b', 'a.b', 'a.c', 'c.d', 'e']),
    count: dice.pick([1, 1, 1, 2, 6]),
    ...(dice.is(0.2) && { key: dice.whole(0, 2), content: dice.whole(0, 1) }),
    ...(dice.is(0.5) && { orderingKeys: dice.whole(1, 3) }),
  });
  return times(dice.whole(3, 16), publish);
}

function drawManagement(dice: Dice, { nodes, webhooks, untilMs }: Extent): Action[] {
  if (dice.is(0.4)) return [];
  const kinds = (['disable', 'enable', 'delete', 'update', 'test', 'replay'] as const).filter(() =>
    dice.is(0.5),
  );
  if (kinds.length === 0) return [];
  return times(dice.whole(1, 8), () => {
    const base = { atMs: dice.between(0, untilMs), node: dice.whole(0, nodes - 1) };
    const kind = dice.pick(kinds);
    return kind === 'replay'
      ? { ...base, do: kind, count: dice.whole(1, 20) }
      : { ...base, do: kind, webhook: dice.whole(0, webhooks - 1) };
  });
}

/** What hosts do beside management and single replays: whenever, and while something is about to be sent. */
function drawInterventions(
  dice: Dice,
  { nodes, tenants, webhooks, untilMs }: Extent,
  load: readonly Action[],
): Action[] {
  const base = (): { atMs: number; node: number } => ({
    atMs: dice.is(0.5) ? dice.pick(load).atMs + dice.between(0, 100) : dice.between(0, untilMs),
    node: dice.whole(0, nodes - 1),
  });
  const cancel = (): Action => {
    const status = dice.pick(['pending', 'pending', 'failed', 'failed', 'exhausted', undefined] as const);
    return { ...base(), do: 'cancel', count: dice.whole(1, 6), ...(status && { status }) };
  };
  const toggle = (): Action => {
    const kind = dice.pick(['disable', 'disable', 'enable'] as const);
    return { ...base(), do: kind, webhook: dice.whole(0, webhooks - 1) };
  };
  const replay = (): Action => ({ ...base(), do: 'replay-many', tenant: dice.whole(0, tenants - 1) });
  return [
    ...(dice.is(0.3) ? times(dice.whole(1, 12), cancel) : []),
    ...(dice.is(0.2) ? times(dice.whole(1, 3), replay) : []),
    ...(dice.is(0.15) ? times(dice.whole(1, 4), toggle) : []),
  ];
}

function drawFaults(dice: Dice, extent: Extent): Action[] {
  const { nodes, untilMs, settings, hasStoreClock } = extent;
  const { leaseMs } = settings;
  const at = (): { atMs: number; node: number } => ({
    atMs: dice.between(0, untilMs),
    node: dice.whole(0, nodes - 1),
  });
  const faults: Action[] = [];
  if (dice.is(0.4))
    faults.push(
      ...times(dice.whole(1, 6), () => ({ ...at(), do: 'crash', downMs: dice.pick([10, 500, leaseMs * 2]) })),
    );
  if (dice.is(0.3))
    faults.push(
      ...times(dice.whole(1, 3), () => ({
        ...at(),
        do: 'pause',
        forMs: dice.pick([100, leaseMs, leaseMs * 2]),
      })),
    );
  if (dice.is(0.3))
    faults.push(
      ...times(dice.whole(1, 3), () => ({
        ...at(),
        do: 'stop',
        deadlineMs: dice.pick([0, 100, 3_000]),
        downMs: dice.pick([10, 2_000]),
      })),
    );
  if (dice.is(0.2))
    faults.push(
      ...times(dice.whole(1, 2), () => ({
        atMs: dice.between(0, untilMs),
        do: 'outage',
        forMs: dice.pick([200, 2_000, leaseMs * 2]),
      })),
    );
  // Where the nodes' own clock judges leases, it is the store's clock, and that is never set back.
  if (hasStoreClock && dice.is(0.2))
    faults.push(
      ...times(dice.whole(1, 2), () => ({ ...at(), do: 'jump', byMs: dice.whole(-leaseMs, leaseMs) })),
    );
  return faults.map((fault) => bounded(fault, untilMs));
}

/** Nothing outlasts the time of faults by much. */
function bounded(fault: Action, untilMs: number): Action {
  return fault.do === 'outage'
    ? { ...fault, forMs: Math.min(fault.forMs, Math.max(1, untilMs - fault.atMs)) }
    : fault;
}

function drawWeather(dice: Dice, { leaseMs }: PlanSettings): Weather {
  const share = (likelihood: number, most: number): number =>
    dice.is(likelihood) ? dice.between(0, most) : 0;
  return {
    latencyMs: dice.pick([1, 5, 30]),
    refused: share(0.3, 0.2),
    unacknowledged: share(0.3, 0.2),
    unanswered: share(0.15, 0.1),
    slow: share(0.2, 0.2),
    fatal: share(0.3, 0.03),
    skewMs: dice.is(0.4) ? dice.between(0, leaseMs) : 0,
    broken: share(0.3, 0.2),
    stubborn: share(0.2, 1),
  };
}
