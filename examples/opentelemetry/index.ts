/**
 * Traces and metrics by OpenTelemetry: `telemetry.ts` is what you would copy; it needs `@opentelemetry/api` and nothing else.
 *
 *     node examples/opentelemetry/index.ts     (after `npm run build`)
 *
 * The rest of this file is what a host has anyway: an SDK, here one that keeps everything in memory, and customers: one answers well, one fails at first, one for good.
 * At the end it prints each trace (publish, attempts, what the receivers made of it) and each metric, and exits with 1 unless all of it is there.
 */
import { metrics, propagation, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  AggregationTemporality,
  DataPointType,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { createSurehook, memoryRepos, retrySchedule } from 'surehook';
import { Receiver } from './receiver.ts';
import { measure, publishTraced, traceAttempts } from './telemetry.ts';

const ORDERS = 2;

const spanExporter = new InMemorySpanExporter();
trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spanExporter)] }),
);
propagation.setGlobalPropagator(new W3CTraceContextPropagator());
const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const meterProvider = new MeterProvider({
  readers: [new PeriodicExportingMetricReader({ exporter: metricExporter })],
});
metrics.setGlobalMeterProvider(meterProvider);

const surehook = createSurehook({
  repos: memoryRepos(),
  // Short, to be watched; so are the two of the back-off.
  retry: retrySchedule([0, 100, 100]),
  backoff: { baseMs: 50, maxMs: 100 },
  // For local development only.
  endpoints: { allowHttp: true, allowPrivateAddresses: true },
});
traceAttempts(surehook);
measure(surehook);

const ended = Promise.withResolvers<void>();
let left = 3 * ORDERS;
const end = (): void => {
  left -= 1;
  if (left === 0) ended.resolve();
};
surehook.on('delivery:delivered', end).on('delivery:exhausted', end);

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function printTree(spans: readonly ReadableSpan[], parentId: string | undefined, indent: string): void {
  for (const span of spans) {
    if (span.parentSpanContext?.spanId !== parentId) continue;
    const status = span.attributes['http.response.status_code'] ?? span.attributes['error.type'] ?? '';
    print(`${indent}${span.name} ${status}`.trimEnd());
    printTree(spans, span.spanContext().spanId, `${indent}  `);
  }
}

/** The sum of a counter or gauge over its series, or the number of values in a histogram. */
function totalOf({ dataPointType, dataPoints }: MetricData): number {
  if (dataPointType === DataPointType.HISTOGRAM)
    return dataPoints.reduce((sum, { value }) => sum + value.count, 0);
  if (dataPointType !== DataPointType.EXPONENTIAL_HISTOGRAM)
    return dataPoints.reduce((sum, { value }) => sum + value, 0);
  return Number.NaN;
}

/** Prints what was recorded; true when all of it is there. */
async function report(): Promise<boolean> {
  const spans = spanExporter.getFinishedSpans();
  printTree(spans, undefined, '');
  await meterProvider.forceFlush();
  const [recorded] = metricExporter.getMetrics().slice(-1);
  const totals = new Map<string, number>();
  for (const metric of recorded?.scopeMetrics.flatMap((scope) => scope.metrics) ?? []) {
    totals.set(metric.descriptor.name, totalOf(metric));
    print(`${metric.descriptor.name.padEnd(32)} ${totalOf(metric)} in ${metric.dataPoints.length} series`);
  }
  const named = (start: string): readonly ReadableSpan[] =>
    spans.filter(({ name }) => name.startsWith(start));
  const [publishes, attempts, receipts] = [named('publish'), named('attempt'), named('receive')];
  const isBelow = ({ parentSpanContext }: ReadableSpan): boolean =>
    publishes.some((publish) => publish.spanContext().spanId === parentSpanContext?.spanId);
  const checks: Record<string, boolean> = {
    [`${publishes.length} publishes, each a trace of its own`]:
      publishes.length === ORDERS &&
      publishes.every(({ parentSpanContext }) => parentSpanContext === undefined),
    [`${attempts.length} attempts and ${receipts.length} receipts, each in the trace of its publish`]:
      attempts.length === receipts.length && [...attempts, ...receipts].every(isBelow),
    'the metrics count the same attempts': totals.get('surehook.attempt.duration') === attempts.length,
    'every delivery was counted by its end':
      totals.get('surehook.deliveries.delivered') === 2 * ORDERS &&
      totals.get('surehook.deliveries.exhausted') === ORDERS,
  };
  for (const [text, holds] of Object.entries(checks)) print(`${holds ? 'ok    ' : 'FAILED'} ${text}`);
  return Object.values(checks).every(Boolean);
}

const receivers = [
  await Receiver.start({ failures: 0 }),
  await Receiver.start({ failures: 1 }),
  await Receiver.start({ failures: Number.POSITIVE_INFINITY }),
];
for (const { url } of receivers) await surehook.webhooks.create({ url, events: ['order.*'] });
await surehook.start();
for (let order = 1; order <= ORDERS; order++) {
  await publishTraced(surehook, { type: 'order.placed', data: { order } });
}
await ended.promise;
process.exitCode = (await report()) ? 0 : 1;
await surehook.stop();
await meterProvider.shutdown();
for (const receiver of receivers) receiver.close();
