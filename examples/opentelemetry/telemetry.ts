/** Traces and metrics of a surehook, through `@opentelemetry/api` alone: whatever SDK your process has set up gets them. Copy it and change it. */
import {
  type Attributes,
  context,
  metrics,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import {
  type Attempt,
  type Delivery,
  type NewEvent,
  type Published,
  type PublishOptions,
  type Surehook,
  version,
} from 'surehook';

const NAME = 'surehook';

/**
 * `publish` in a span of its own, below the one that is active. The event carries the trace as headers (`traceparent`): they are stored with it and sent with every attempt,
 * so that attempts belong to the trace in whichever process they are made, and the receiver can continue it.
 *
 * An event that may be published again gets none: headers are part of what makes two events equal, and the repetition would be another event. Nor should those of batched
 * webhooks get one: a request has its headers once, so that only events with the same ones share a batch.
 */
export async function publishTraced(
  surehook: Surehook,
  event: NewEvent,
  options: PublishOptions = {},
): Promise<Published> {
  const span = trace.getTracer(NAME, version).startSpan(`publish ${event.type}`, {
    kind: SpanKind.PRODUCER,
    attributes: { 'event.type': event.type },
  });
  const mayRepeat = event.idempotencyKey !== undefined || event.id !== undefined;
  const headers = { ...event.headers };
  if (!mayRepeat) propagation.inject(trace.setSpan(context.active(), span), headers);
  try {
    const published = await surehook.publish(mayRepeat ? event : { ...event, headers }, options);
    span.setAttributes({ 'event.id': published.event.id, 'event.deliveries': published.deliveries.length });
    return published;
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: String(error) });
    throw error;
  } finally {
    span.end();
  }
}

/** A span for each attempt that this process makes, from its beginning to its end, in the trace that its event came with. */
export function traceAttempts(surehook: Surehook): void {
  const tracer = trace.getTracer(NAME, version);
  surehook.on('delivery:attempted', ({ delivery, attempt }) => {
    const parent = propagation.extract(ROOT_CONTEXT, attempt.request.headers);
    const span = tracer.startSpan(
      `attempt ${delivery.eventType}`,
      { kind: SpanKind.CLIENT, startTime: attempt.startedAt, attributes: attributesOf(delivery, attempt) },
      parent,
    );
    if (!isSuccess(attempt)) {
      span.setStatus({
        code: SpanStatusCode.ERROR,
        message: attempt.error?.message ?? `${attempt.httpStatus}`,
      });
    }
    span.end(new Date(attempt.startedAt.getTime() + attempt.durationMs));
  });
}

/** Counts, times and gauges of this process. One series per webhook is much where there are thousands: leave `webhook.id` away then. */
export function measure(surehook: Surehook): void {
  const meter = metrics.getMeter(NAME, version);
  const counter = (name: string, unit: string) => meter.createCounter(`surehook.${name}`, { unit });
  const histogram = (name: string, explicitBucketBoundaries: number[]) =>
    meter.createHistogram(`surehook.${name}`, { unit: 's', advice: { explicitBucketBoundaries } });
  const published = counter('events.published', '{event}');
  const delivered = counter('deliveries.delivered', '{delivery}');
  const failed = counter('deliveries.failed', '{delivery}');
  const exhausted = counter('deliveries.exhausted', '{delivery}');
  const duration = histogram('attempt.duration', [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15]);
  const latency = histogram('delivery.latency', [0.01, 0.1, 1, 10, 60, 600, 3_600, 86_400]);

  surehook.on('event:published', ({ event }) => published.add(1, { 'event.type': event.type }));
  surehook.on('delivery:attempted', ({ delivery, attempt }) => {
    const outcome = attempt.error?.kind ?? String(attempt.httpStatus);
    duration.record(attempt.durationMs / 1_000, { 'webhook.id': delivery.webhookId, outcome });
  });
  surehook.on('delivery:delivered', ({ delivery }) => {
    delivered.add(1, labelsOf(delivery));
    latency.record(secondsOf(delivery), labelsOf(delivery));
  });
  surehook.on('delivery:failed', ({ delivery }) => failed.add(1, labelsOf(delivery)));
  surehook.on('delivery:exhausted', ({ delivery }) =>
    exhausted.add(1, { ...labelsOf(delivery), reason: delivery.reason ?? '' }),
  );
  for (const [name, field] of gauges) {
    const gauge = meter.createObservableGauge(`surehook.${name}`);
    gauge.addCallback((result) => result.observe(surehook.stats()[field]));
  }
}

const gauges = [
  ['in_flight', 'inFlight'],
  ['claimed', 'claimed'],
  ['retry_queues', 'retryQueues'],
] as const;

function labelsOf({ eventType, webhookId }: Delivery): Attributes {
  return { 'event.type': eventType, 'webhook.id': webhookId };
}

/** From publishing to the end; of a scheduled event with the time it waited for. */
function secondsOf({ createdAt, completedAt = createdAt }: Delivery): number {
  return (completedAt.getTime() - createdAt.getTime()) / 1_000;
}

/** URL and headers of an attempt have their credentials masked already. */
function attributesOf(delivery: Delivery, { number, request, httpStatus, error, late }: Attempt): Attributes {
  return {
    ...labelsOf(delivery),
    'event.id': delivery.eventId,
    'delivery.id': delivery.id,
    'delivery.status': delivery.status,
    'attempt.number': number,
    'http.request.method': 'POST',
    'url.full': request.url,
    ...(httpStatus > 0 && { 'http.response.status_code': httpStatus }),
    ...(error !== undefined && { 'error.type': error.kind }),
    ...(late && { 'attempt.late': true }),
  };
}

function isSuccess({ httpStatus }: Attempt): boolean {
  return httpStatus >= 200 && httpStatus <= 299;
}
