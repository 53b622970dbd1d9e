import { setImmediate as nextTurn } from 'node:timers/promises';
import { createSurehook, type WebhookStore } from '../../src/index.ts';
import { seededRandom } from '../../src/testing/index.ts';
import { Checker } from './check/checker.ts';
import { optionsOf } from './options.ts';
import type { Plan, WebhookPlan } from './plan.ts';
import { openStore } from './store.ts';
import { Timeline } from './timeline.ts';
import { type Fates, World } from './world.ts';

/** How a history is run. */
export interface HistoryOptions {
  readonly fates: Fates;
  /** Keep its text, to be read. */
  readonly isRead?: boolean;
}

/** What came of a history. */
export interface HistoryResult {
  readonly violations: readonly string[];
  readonly marks: ReadonlyMap<string, number>;
  /** Equal for equal histories. */
  readonly hash: string;
  /** Its text, if it was kept. */
  readonly lines: readonly string[];
  /** Port calls made, in all. */
  readonly calls: number;
  readonly events: number;
}

/** Runs one history from an empty store to the last look. */
export async function runHistory(
  plan: Plan,
  { fates, isRead = false }: HistoryOptions,
): Promise<HistoryResult> {
  const timeline = new Timeline();
  const { repos, close } = openStore(plan, timeline);
  let checker: Checker | undefined;
  const watch = (world: World): Checker => {
    checker = new Checker(world);
    return checker;
  };
  const world = new World({ plan, store: repos, timeline, fates, watcher: watch, isRead });
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', onRejection);
  try {
    if (checker === undefined) throw new Error('nobody watches');
    await register(world);
    await play(world, checker);
    await nextTurn();
    for (const reason of rejections)
      checker.findings.violate('I19', `an unhandled rejection: ${String(reason)}`);
    const { violations, marks } = checker.findings;
    return {
      violations,
      marks,
      hash: world.trace.digest.hex,
      lines: world.trace.lines ?? [],
      calls: world.calls,
      events: timeline.happened,
    };
  } finally {
    process.off('unhandledRejection', onRejection);
    close();
  }
}

async function play(world: World, checker: Checker): Promise<void> {
  const { timeline, nodes, plan } = world;
  const { liveness, findings } = checker;
  for (const node of nodes) world.start(node);
  world.schedule();
  await timeline.run(() => liveness.isOver());
  await checker.audit();
  if (findings.violations.length > 0) return;
  const { afterMs, forMs, calls } = liveness.idle;
  const begin = timeline.now + afterMs;
  await timeline.run(() => timeline.now >= begin);
  const end = timeline.now + forMs;
  const before = world.calls;
  await timeline.run(() => timeline.now >= end);
  const made = world.calls - before;
  if (made > calls && !liveness.wasFreedSince(begin - afterMs))
    findings.violate(
      'L',
      `${made} port calls in ${forMs} idle ms of ${plan.nodes} nodes, more than ${calls}`,
    );
  await checker.audit();
}

/** The plan's webhooks are there from the beginning. */
async function register(world: World): Promise<void> {
  const { plan, store, timeline, watcher } = world;
  const surehook = createSurehook({
    ...optionsOf(plan),
    repos: store,
    clock: { now: () => timeline.now, schedule: () => () => {} },
    random: seededRandom(plan.seed * 29 + 7),
  });
  const ids: string[] = [];
  for (const [number, webhook] of plan.webhooks.entries()) {
    const { webhook: created, secret = '' } = await surehook.webhooks.create(inputOf(webhook, number));
    const [record] = await (store.webhooks as WebhookStore).getMany([created.id]);
    if (record !== undefined) watcher.adopted(record, secret);
    ids.push(created.id);
  }
  world.webhookIds = ids;
}

function inputOf(
  { tenant, events, parity, atMostOnce, maxInFlight, retry, ordered, batch, rateLimit }: WebhookPlan,
  number: number,
): Parameters<ReturnType<typeof createSurehook>['webhooks']['create']>[0] {
  return {
    url: `https://hook${number}.example.com/a`,
    tenantId: `tenant${tenant}`,
    events,
    ...(parity !== undefined && { filter: { field: 'data.odd', eq: parity } }),
    delivery: {
      semantics: atMostOnce ? 'at-most-once' : 'at-least-once',
      ...(ordered !== undefined && { ordered: { onExhausted: ordered } }),
      ...(batch !== undefined && { mode: 'batched', batch }),
    },
    ...(maxInFlight !== undefined && { maxInFlight }),
    ...(retry !== undefined && { retry }),
    ...(rateLimit !== undefined && { rateLimit }),
  };
}
