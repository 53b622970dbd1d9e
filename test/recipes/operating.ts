/** Recipes of those who run webhooks. */
import { trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { expect, onTestFinished, vi } from 'vitest';
import {
  type Attempt,
  type Delivery,
  type DeliveryExplanation,
  memoryRepos,
  NotFoundError,
  type Published,
  retrySchedule,
  type Surehook,
  type TenantSurehook,
  type WebhookHealth,
} from '../../src/index.ts';
import {
  type ManualClock,
  manualClock,
  type ScriptedTransport,
  scriptedTransport,
} from '../../src/testing/index.ts';
import {
  allDeliveries,
  bench,
  DAY,
  delayed,
  HOUR,
  hook,
  MINUTE,
  made,
  rejection,
  running,
  SECOND,
  slowPolls,
  stateOf,
  url,
} from '../engine/harness.ts';
import type { Trial } from './recipe.ts';

/** More than one page, and nothing of what was delivered. */
const read: Trial = async (recipe) => {
  const count = 60;
  const script = [200, ...Array(count).fill({ status: 500, body: 'broken' }), 200];
  const { surehook, clock } = await running(script, {
    retry: retrySchedule([0]),
    backoff: { baseMs: 1, maxMs: 1 },
  });
  const webhook = await hook(surehook);
  const publish = async (data: number): Promise<void> => {
    await surehook.publish({ type: 'a.b', data });
    await clock.advance(SECOND);
  };
  for (let n = 0; n <= count + 1; n += 1) await publish(n);
  const info = vi.fn();
  await recipe.run({ surehook, webhookId: webhook.id, log: { info } });
  const [line] = info.mock.calls.map(([told]) => told);
  expect([info.mock.calls.length, line]).toEqual([
    count,
    {
      eventType: 'a.b',
      reason: 'attempts-used-up',
      startedAt: expect.any(Date),
      httpStatus: 500,
      responseBody: 'broken',
    },
  ]);
  const instants = info.mock.calls.map(([{ startedAt }]) => startedAt.getTime());
  expect(instants).toEqual(instants.toSorted((a, b) => b - a));
};

/** An endpoint that fails, for longer than it may, and then is well. */
const repaired: Trial = async (recipe) => {
  const endpoint = { status: 500 };
  const { surehook, clock, transport } = await running(() => endpoint.status, { unavailableAfterMs: HOUR });
  const webhook = await hook(surehook);
  const down = (): Promise<void> => clock.advance(2 * HOUR);
  const later = await surehook.publish({ type: 'a.b', data: 1, deliverAt: new Date(clock.now() + HOUR) });
  for (const { id } of later.deliveries) await surehook.deliveries.cancel(id);
  const publish = async (): Promise<void> => void (await surehook.publish({ type: 'a.b', data: 1 }));
  const tellOwner = vi.fn();
  await publish();
  await down();
  await publish();
  await publish();
  expect(await stateOf(surehook, webhook)).toBe('unavailable');
  endpoint.status = 200;
  const before = transport.requests.length;
  const { count, filter } = await recipe.run({ surehook, webhookId: webhook.id, tellOwner }, [
    'count',
    'filter',
  ]);
  expect(filter).toEqual({ webhookId: webhook.id, reason: 'webhook-unavailable' });
  // Not the one that was called off.
  expect(count).toBe(3);
  await clock.advance(MINUTE);
  expect(transport.requests.length - before).toBe(3);
  endpoint.status = 500;
  await publish();
  await down();
  expect(tellOwner.mock.calls).toEqual([[webhook.id]]);
};

const cancelled: Trial = async (recipe) => {
  const clock = manualClock(Date.parse('2029-12-31'));
  const transport = scriptedTransport(200, { clock });
  const { surehook } = made({ repos: memoryRepos(), clock, transport, ...slowPolls });
  await hook(surehook);
  await surehook.start();
  await recipe.run({ surehook, data: 1 });
  await clock.advance(2 * DAY);
  expect(transport.requests).toEqual([]);
  const [{ id, status, reason } = { id: '', status: '' }] = await allDeliveries(surehook);
  expect([status, reason]).toEqual(['exhausted', 'cancelled']);
  await surehook.deliveries.cancel(id);
  await surehook.stop();
};

interface Verdict {
  readonly verdict: DeliveryExplanation['verdict'];
  readonly why: { readonly waitsFor?: string; readonly attempts?: readonly Attempt[] };
}

const explained: Trial = async (recipe) => {
  const { surehook, clock } = await running([200, 500, 200]);
  const webhook = await hook(surehook, 1, { events: ['a.b'] });
  const verdictOf = async ({ event }: Published): Promise<unknown> => {
    const { verdict, why } = await recipe.run<Verdict>({ surehook, event, webhookId: webhook.id }, [
      'verdict',
      'why',
    ]);
    return [verdict, why.waitsFor, why.attempts?.length];
  };
  const delivered = await surehook.publish({ type: 'a.b', data: 1 });
  await surehook.idle();
  expect(await verdictOf(delivered)).toEqual(['delivered', undefined, 1]);
  const failed = await surehook.publish({ type: 'a.b', data: 1, deliverAt: new Date(clock.now() + HOUR) });
  expect(await verdictOf(failed)).toEqual(['waiting', 'due-time', 0]);
  expect(await verdictOf(await surehook.publish({ type: 'b.c', data: 1 }))).toEqual([
    'not-subscribed',
    undefined,
    undefined,
  ]);
};

const fares: Trial = async (recipe) => {
  const { surehook, clock } = await running([delayed(40, 200), delayed(40, 500), 'hang']);
  const webhook = await hook(surehook);
  for (const data of [1, 2, 3]) {
    await surehook.publish({ type: 'a.b', data });
    await clock.advance(SECOND);
  }
  await clock.advance(11 * SECOND);
  const { health } = await recipe.run<{ readonly health: WebhookHealth }>(
    { surehook, webhookId: webhook.id },
    ['health'],
  );
  expect(health).toEqual({
    webhookId: webhook.id,
    windowMs: HOUR,
    status: { state: 'retrying', since: expect.any(Date) },
    attempts: 2,
    succeeded: 1,
    failed: 1,
    successRate: 0.5,
    latencyMs: { p50: expect.closeTo(40, -1), p90: expect.any(Number), p99: expect.any(Number) },
    waiting: { count: 2, isExact: true },
    dead: { count: 0, isExact: true },
    lastSuccessAt: expect.any(Date),
    lastFailure: { at: expect.any(Date), httpStatus: 500 },
  });
};

const watched: Trial = async (recipe) => {
  const warn = vi.fn();
  await recipe.run({ log: { warn } });
  const { surehook, clock } = await running(410);
  await hook(surehook);
  await surehook.publish({ type: 'a.b', data: 1 });
  await clock.advance(SECOND);
  const delivery = expect.objectContaining({ status: 'exhausted', reason: 'webhook-gone' });
  expect(warn.mock.calls).toEqual([[{ delivery }]]);
};

const traced: Trial = async (recipe) => {
  const exporter = new InMemorySpanExporter();
  const spanProcessors = [new SimpleSpanProcessor(exporter)];
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors }));
  onTestFinished(() => trace.disable());
  const { surehook } = await running();
  await hook(surehook);
  const telemetry = () => import('../../examples/opentelemetry/telemetry.ts');
  await recipe.run({ surehook, invoice: 1 }, [], { './telemetry.ts': telemetry });
  await surehook.idle();
  const names = exporter.getFinishedSpans().map(({ name }) => name);
  expect(names).toEqual(['publish invoice.paid', 'attempt invoice.paid']);
};

const oneTenant: Trial = async (recipe) => {
  const { surehook } = bench();
  const foreign = await hook(surehook, 'foreign', { tenantId: 'other' });
  const request = { user: { tenantId: 'acme' } };
  const { mine, items } = await recipe.run<{
    readonly mine: TenantSurehook;
    readonly items: readonly Delivery[];
  }>({ surehook, request, url: url('acme') }, ['mine', 'items']);
  expect(items).toEqual([]);
  const { items: own } = await mine.webhooks.list();
  expect(own.map(({ tenantId }) => tenantId)).toEqual(['acme']);
  expect(await mine.webhooks.get(foreign.id)).toBeUndefined();
  expect(await rejection(mine.webhooks.enable(foreign.id))).toBeInstanceOf(NotFoundError);
  expect(await rejection(mine.publish({ type: 'a.b', data: 1, tenantId: 'other' }))).toMatchObject({
    field: 'tenantId',
  });
};

const tested: Trial = async (recipe) => {
  const { surehook, clock, transport } = await recipe.run<{
    readonly surehook: Surehook;
    readonly clock: ManualClock;
    readonly transport: ScriptedTransport;
  }>({}, ['surehook', 'clock', 'transport']);
  await hook(surehook);
  await surehook.start();
  await surehook.publish({ type: 'a.b', data: 1 });
  await surehook.idle();
  expect(transport.requests.length).toBe(1);
  await clock.advance(11_000);
  expect(transport.requests.length).toBe(2);
  await surehook.stop();
};

export const operating: Readonly<Record<string, Trial>> = {
  'Read the log': read,
  'Repair, replay, cancel': repaired,
  'Repair, replay, cancel 2': cancelled,
  'Repair, replay, cancel 3': explained,
  'See how a webhook fares': fares,
  'Trace and measure': traced,
  Events: watched,
  "One tenant's view": oneTenant,
  'Test your own code': tested,
};
