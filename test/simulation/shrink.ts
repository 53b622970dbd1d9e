import { runHistory } from './history.ts';
import { fairWeather, type Plan, type Weather, type WebhookPlan } from './plan.ts';
import { fatesByWeather } from './weather.ts';

/** Histories that making one plan small may take. */
const MOST_TRIALS = 1_000;

/** What a plan violates first, such as `I12`; undefined: nothing. */
async function violatedBy(plan: Plan): Promise<string | undefined> {
  const { violations } = await runHistory(plan, { fates: fatesByWeather(plan) });
  return violations[0]?.split(' ')[0];
}

/**
 * A smaller plan that violates the same: one thing after the other is taken away, and stays away where that changes nothing of the violation, until
 * nothing more can go.
 */
export async function shrink(plan: Plan): Promise<Plan> {
  const violated = await violatedBy(plan);
  if (violated === undefined) throw new Error('there is nothing to shrink: the plan violates nothing');
  let smallest = plan;
  let trials = 0;
  for (let before: Plan | undefined; before !== smallest && trials < MOST_TRIALS; ) {
    before = smallest;
    for (const cut of cuts) {
      // By position: what was taken away is followed by what came next.
      for (let at = 0; trials < MOST_TRIALS; ) {
        const smaller = cut(smallest, at);
        if (smaller === undefined) break;
        trials += 1;
        if (smaller !== smallest && (await violatedBy(smaller)) === violated) smallest = smaller;
        else at += 1;
      }
    }
  }
  return smallest;
}

/** Takes the thing of its kind away that is at that position; undefined: there are no more. */
type Cut = (plan: Plan, at: number) => Plan | undefined;

const FOREVER = Number.POSITIVE_INFINITY;

function without<T>(items: readonly T[], from: number, count: number): T[] {
  return [...items.slice(0, from), ...items.slice(from + count)];
}

/** Runs of so many actions, and of webhooks one at a time. */
function actionsBy(count: number): Cut {
  return (plan, at) =>
    at * count < plan.actions.length
      ? { ...plan, actions: without(plan.actions, at * count, count) }
      : undefined;
}

const weatherNames = Object.keys(fairWeather) as (keyof Weather)[];

/** One field after the other as it is when nothing goes wrong. */
function calmer(plan: Plan, at: number): Plan | undefined {
  const name = weatherNames[at];
  if (name === undefined) return undefined;
  if (plan.weather[name] === fairWeather[name]) return plan;
  return { ...plan, weather: { ...plan.weather, [name]: fairWeather[name] } };
}

/** What sets a webhook apart from a plain one; moods count as one thing. */
const traits: readonly (keyof WebhookPlan)[] = [
  'parity',
  'maxInFlight',
  'retry',
  'ordered',
  'batch',
  'rateLimit',
  'shape',
  'atMostOnce',
  'moods',
];

function plainer(plan: Plan, at: number): Plan | undefined {
  const index = Math.floor(at / traits.length);
  const trait = traits[at % traits.length] as keyof WebhookPlan;
  const webhook = plan.webhooks[index];
  if (webhook === undefined) return undefined;
  const { [trait]: _gone, ...rest } = webhook;
  const plain: WebhookPlan = {
    ...rest,
    atMostOnce: trait !== 'atMostOnce' && webhook.atMostOnce,
    moods: trait === 'moods' ? webhook.moods.slice(0, -1) : webhook.moods,
    tenant: webhook.tenant,
    events: webhook.events,
  };
  if (JSON.stringify(plain) === JSON.stringify(webhook) || plain.moods.length === 0) return plan;
  const webhooks = plan.webhooks.map((one, position) => (position === index ? plain : one));
  return { ...plan, webhooks };
}

const cuts: readonly Cut[] = [
  (plan, at) => (at === 0 && plan.nodes > 1 ? { ...plan, nodes: plan.nodes - 1 } : undefined),
  actionsBy(8),
  actionsBy(3),
  actionsBy(1),
  calmer,
  (plan, at) =>
    at < plan.webhooks.length && plan.webhooks.length > 1
      ? { ...plan, webhooks: without(plan.webhooks, at, 1) }
      : undefined,
  plainer,
  (plan, at) => {
    const action = plan.actions[at];
    if (action === undefined) return undefined;
    if (action.do !== 'publish' || action.count === 1) return plan;
    const fewer = { ...action, count: Math.ceil(action.count / 2) };
    return { ...plan, actions: plan.actions.map((one) => (one === action ? fewer : one)) };
  },
  (plan, at) => {
    const { rateLimit, ...settings } = plan.settings;
    return at === 0 && rateLimit !== undefined ? { ...plan, settings } : undefined;
  },
  ({ isSealed, ...plan }, at) => (at === 0 && isSealed ? plan : undefined),
  (plan, at) => (at === 0 && plan.news !== 'told' ? { ...plan, news: 'told' } : undefined),
  (plan, at) => {
    const retention = { deliveredMs: FOREVER, deadLetterMs: FOREVER, attemptsMs: FOREVER };
    const isPlain = JSON.stringify(plan.settings.retention) === JSON.stringify(retention);
    return at === 0 && !isPlain ? { ...plan, settings: { ...plan.settings, retention } } : undefined;
  },
  (plan, at) => {
    const last = plan.actions.at(-1)?.atMs ?? 0;
    const faultsEndMs = Math.max(Math.round(plan.faultsEndMs * 0.7), Math.ceil(last) + 100);
    return at === 0 && faultsEndMs < plan.faultsEndMs ? { ...plan, faultsEndMs } : undefined;
  },
];

/** A plan as text, in which for ever is null. */
export function textOf(plan: Plan): string {
  return JSON.stringify(plan);
}

/** The plan of such a text. */
export function planIn(text: string): Plan {
  return JSON.parse(text, (_, value: unknown) => (value === null ? FOREVER : value)) as Plan;
}
