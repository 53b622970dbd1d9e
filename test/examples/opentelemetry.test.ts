import {
  type Attributes,
  type Context,
  context,
  metrics,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { measure, publishTraced, traceAttempts } from '../../examples/opentelemetry/telemetry.ts';
import { retrySchedule } from '../../src/index.ts';
import { type Bench, delayed, HOUR, hook, MINUTE, rejection, running, SECOND } from '../engine/harness.ts';
import { runExample } from './run-example.ts';

// The example imports the package by its name: here that is what lies in src, built or not.
vi.mock('surehook', () => import('../../src/index.ts'));

let spans = new InMemorySpanExporter();
let measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
let meters = new MeterProvider();
let active: Context = ROOT_CONTEXT;

beforeEach(() => {
  spans = new InMemorySpanExporter();
  const spanProcessors = [new SimpleSpanProcessor(spans)];
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors }));
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  meters = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter: measured })] });
  metrics.setGlobalMeterProvider(meters);
  active = ROOT_CONTEXT;
  vi.spyOn(context, 'active').mockImplementation(() => active);
});

afterEach(async () => {
  vi.restoreAllMocks();
  await meters.shutdown();
  for (const api of [trace, propagation, metrics]) api.disable();
});

/** A surehook that is traced and measured, with one webhook. */
async function observed(
  ...args: Parameters<typeof running>
): Promise<Bench & { readonly webhookId: string }> {
  const parts = await running(...args);
  traceAttempts(parts.surehook);
  measure(parts.surehook);
  const { id: webhookId } = await hook(parts.surehook);
  return { ...parts, webhookId };
}

function spansOf(start: string): readonly ReadableSpan[] {
  return spans.getFinishedSpans().filter(({ name }) => name.startsWith(start));
}

const parentOf = ({ parentSpanContext }: ReadableSpan): unknown => parentSpanContext?.spanId;
const ms = ([seconds, nanoseconds]: readonly [number, number]): number => seconds * 1_000 + nanoseconds / 1e6;

/** What was measured of one metric: attributes and value of each series. */
async function series(name: string): Promise<readonly [Attributes, unknown][]> {
  await meters.forceFlush();
  const all =
    measured
      .getMetrics()
      .at(-1)
      ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? [];
  const found = all.find(({ descriptor }) => descriptor.name === name);
  return (found?.dataPoints ?? []).map(({ attributes, value }) => [attributes, value]);
}

describe('the spans', () => {
  it('of the attempts are below that of the publish, and last as long as they did', async () => {
    const { surehook, clock, transport, webhookId } = await observed([delayed(SECOND, 500), 204]);
    const start = clock.now();
    const published = await publishTraced(surehook, { type: 'a.b', data: 0, headers: { 'x-own': '1' } });
    await clock.advance(MINUTE);
    const [publish] = spansOf('publish');
    expect(publish).toMatchObject({
      name: 'publish a.b',
      kind: SpanKind.PRODUCER,
      attributes: { 'event.type': 'a.b', 'event.id': published.event.id, 'event.deliveries': 1 },
      status: { code: SpanStatusCode.UNSET },
    });
    const { traceId, spanId } = publish!.spanContext();
    for (const { headers } of transport.requests) {
      expect(headers).toMatchObject({ traceparent: `00-${traceId}-${spanId}-01`, 'x-own': '1' });
    }
    const [failed, delivered] = spansOf('attempt');
    expect([failed, delivered].map((span) => parentOf(span!))).toEqual([spanId, spanId]);
    expect(failed).toMatchObject({
      name: 'attempt a.b',
      kind: SpanKind.CLIENT,
      status: { code: SpanStatusCode.ERROR, message: '500' },
      attributes: {
        'event.id': published.event.id,
        'event.type': 'a.b',
        'delivery.id': published.deliveries[0]?.id,
        'delivery.status': 'failed',
        'webhook.id': webhookId,
        'attempt.number': 1,
        'http.request.method': 'POST',
        'http.response.status_code': 500,
        'url.full': 'https://hook0.example.com/in',
      },
    });
    expect([ms(failed!.startTime), ms(failed!.endTime)]).toEqual([start, start + SECOND]);
    expect(delivered).toMatchObject({
      status: { code: SpanStatusCode.UNSET },
      attributes: { 'attempt.number': 2, 'delivery.status': 'delivered' },
    });
  });

  it('of a publish is below the span that is active, and says what it was refused for', async () => {
    const { surehook } = await observed();
    const request = trace.getTracer('test').startSpan('request');
    active = trace.setSpan(ROOT_CONTEXT, request);
    const error = await rejection(publishTraced(surehook, { type: 'no type', data: 0 }));
    const [publish] = spansOf('publish');
    expect(parentOf(publish!)).toBe(request.spanContext().spanId);
    expect(publish?.status).toEqual({ code: SpanStatusCode.ERROR, message: String(error) });
  });

  it('of an attempt without an answer tell why', async () => {
    const { surehook, clock } = await observed({ error: 'refused' }, { retry: retrySchedule([0]) });
    await publishTraced(surehook, { type: 'a.b', data: 0 });
    await clock.advance(MINUTE);
    const [attempt] = spansOf('attempt');
    expect(attempt?.attributes).toMatchObject({ 'error.type': 'refused', 'delivery.status': 'exhausted' });
    expect(attempt?.attributes).not.toHaveProperty('http.response.status_code');
  });

  it('of an event that may be published again are of a trace of their own: it stays the same event', async () => {
    const { surehook, clock, transport } = await observed();
    const event = { type: 'a.b', data: 0, idempotencyKey: 'k' };
    const [first, second] = [await publishTraced(surehook, event), await publishTraced(surehook, event)];
    await clock.advance(MINUTE);
    expect([first.duplicate, second.duplicate]).toEqual([false, true]);
    expect(transport.requests[0]?.headers).not.toHaveProperty('traceparent');
    expect(spansOf('attempt').map(parentOf)).toEqual([undefined]);
  });
});

describe('the metrics', () => {
  it('count what is published and what becomes of it, by type and webhook', async () => {
    const { surehook, clock, webhookId } = await observed([500, 200, 410]);
    for (const type of ['a.b', 'c.d']) {
      await publishTraced(surehook, { type, data: 0 });
      await clock.advance(MINUTE);
    }
    const of = (type: string): Attributes => ({ 'event.type': type, 'webhook.id': webhookId });
    expect(await series('surehook.events.published')).toEqual([
      [{ 'event.type': 'a.b' }, 1],
      [{ 'event.type': 'c.d' }, 1],
    ]);
    expect(await series('surehook.deliveries.failed')).toEqual([[of('a.b'), 1]]);
    expect(await series('surehook.deliveries.delivered')).toEqual([[of('a.b'), 1]]);
    expect(await series('surehook.deliveries.exhausted')).toEqual([
      [{ ...of('c.d'), reason: 'webhook-gone' }, 1],
    ]);
  });

  it('time attempts, and deliveries from publishing to their end, in seconds', async () => {
    const { surehook, clock, webhookId } = await observed(delayed(2 * SECOND, 204));
    const deliverAt = new Date(clock.now() + HOUR);
    await publishTraced(surehook, { type: 'a.b', data: 0, deliverAt });
    await clock.advance(2 * HOUR);
    expect(await series('surehook.attempt.duration')).toEqual([
      [{ 'webhook.id': webhookId, outcome: '204' }, expect.objectContaining({ count: 1, sum: 2 })],
    ]);
    expect(await series('surehook.delivery.latency')).toEqual([
      [{ 'event.type': 'a.b', 'webhook.id': webhookId }, expect.objectContaining({ count: 1, sum: 3_602 })],
    ]);
  });

  it('show what is under way when they are read', async () => {
    const { surehook, clock } = await observed(delayed(2 * SECOND, 204));
    const gauge = async (name: string): Promise<unknown> => (await series(`surehook.${name}`))[0]?.[1];
    await publishTraced(surehook, { type: 'a.b', data: 0 });
    await clock.advance(SECOND);
    expect([await gauge('in_flight'), await gauge('claimed'), await gauge('retry_queues')]).toEqual([
      1, 1, 0,
    ]);
    await clock.advance(MINUTE);
    expect(await gauge('in_flight')).toBe(0);
  });
});

describe('the example', { timeout: 20_000 }, () => {
  it('runs by itself, prints each trace and metric, and finds all of it there', async () => {
    const { status, stdout, stderr } = await runExample('opentelemetry', { args: [] });
    expect(stderr).toBe('');
    expect(stdout.match(/^publish order\.placed$/gm)).toHaveLength(2);
    expect(stdout.match(/^ {2}attempt order\.placed 204$/gm)).toHaveLength(4);
    expect(stdout.match(/^ {2}receive 204$/gm)).toHaveLength(4);
    expect(stdout).toMatch(/^surehook\.deliveries\.delivered +4 in 2 series$/m);
    expect(stdout).toMatch(/^surehook\.deliveries\.exhausted +2 in 1 series$/m);
    expect(stdout.match(/^ok {4}/gm)).toHaveLength(4);
    expect(stdout).not.toContain('FAILED');
    expect(status).toBe(0);
  });
});
