import type { Random, TransportErrorKind, TransportRequest } from '../../src/index.ts';
import type { Mood, WebhookPlan } from './plan.ts';

/** One endpoint as it is now. */
export interface EndpointState {
  readonly plan: Pick<WebhookPlan, 'moods'>;
  /** True time at which the moods begin, epoch ms. */
  readonly beginning: number;
  readonly random: Random;
}

/** What an endpoint does with a request: answers, breaks off, or nothing at all. */
export type Answer =
  | {
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string;
      readonly afterMs: number;
    }
  | { readonly error: TransportErrorKind; readonly afterMs: number }
  | { readonly silent: true };

/** The number in `https://hook3.example.com/a`: the place of its webhook in the plan. */
export function hookNumber(url: string): number {
  return Number(/hook(\d+)/.exec(url)?.[1] ?? -1);
}

/** The mood of an endpoint at an instant. */
export function moodAt({ plan, beginning }: Pick<EndpointState, 'plan' | 'beginning'>, now: number): Mood {
  const { moods } = plan;
  return (moods.find(({ untilMs }) => now < beginning + untilMs) ?? moods.at(-1))?.mood ?? 'well';
}

/** What becomes of a request that reached an endpoint, or (no DNS, no connection) did not quite. */
export function answerOf(endpoint: EndpointState, request: TransportRequest, now: number): Answer {
  const { random } = endpoint;
  const quickMs = 1 + random.next() * 20;
  switch (moodAt(endpoint, now)) {
    case 'well':
      return well(random, request, quickMs);
    case 'slow':
      return well(random, request, quickMs * 20);
    case 'flaky':
      return random.next() < 0.5 ? well(random, request, quickMs) : failing(random, request, quickMs);
    case 'failing':
      return failing(random, request, quickMs);
    case 'silent':
      return { silent: true };
    case 'unreachable':
      return {
        error: pick(random, ['dns', 'refused', 'tls', 'reset', 'invalid-response', 'timeout']),
        afterMs: quickMs,
      };
    case 'throttling':
      return throttled(random, quickMs);
    case 'redirecting':
      return {
        status: pick(random, [301, 302, 307, 308]),
        headers: { location: 'https://example.com/' },
        body: '',
        afterMs: quickMs,
      };
    case 'picky':
      return isOdd(request) ? refusing(random, request, quickMs) : well(random, request, quickMs);
    case 'leaving':
      return random.next() < 0.3
        ? { status: 410, headers: {}, body: '', afterMs: quickMs }
        : well(random, request, quickMs);
  }
}

/** Some echo all they were sent: nothing of it may be stored that is secret. */
function well(random: Random, request: TransportRequest, afterMs: number): Answer {
  const echo = random.next() < 0.1;
  return {
    status: pick(random, [200, 200, 201, 202, 204, 299]),
    headers: echo ? { 'x-echo': request.headers['webhook-signature'] ?? '' } : {},
    body: echo ? JSON.stringify(request.headers) : '',
    afterMs,
  };
}

function failing(random: Random, request: TransportRequest, afterMs: number): Answer {
  const status = pick(random, [500, 502, 503, 404, 400, 401, 600, 999]);
  return { status, headers: {}, body: random.next() < 0.3 ? JSON.stringify(request.headers) : 'no', afterMs };
}

const retryAfters = [
  '1',
  '2',
  '0',
  '-5',
  '1e3',
  '',
  'soon',
  '99999999999',
  'Thu, 01 Jan 2026 00:00:09 GMT',
  'Thu, 01 Jan 1970 00:00:00 GMT',
  '3.5',
  ' 2',
];

function throttled(random: Random, afterMs: number): Answer {
  return {
    status: pick(random, [429, 503]),
    headers: { 'retry-after': pick(random, retryAfters) },
    body: '',
    afterMs,
  };
}

/** Mostly with a 4xx: it does not want these bytes. */
function refusing(random: Random, request: TransportRequest, afterMs: number): Answer {
  return random.next() < 0.7
    ? { status: pick(random, [400, 404, 422]), headers: {}, body: 'no', afterMs }
    : failing(random, request, afterMs);
}

/** By the event, or any of a batch, so that it fails again when it is tried again. */
function isOdd({ headers, body }: TransportRequest): boolean {
  const id = headers['webhook-id'] ?? '';
  const ids = id.startsWith('bat_') ? idsIn(body) : [id];
  return ids.some((one) => one.charCodeAt(one.length - 1) % 3 === 0);
}

function idsIn(body: Uint8Array): readonly string[] {
  const elements: readonly { readonly id: string }[] = JSON.parse(new TextDecoder().decode(body));
  return elements.map(({ id }) => id);
}

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[Math.floor(random.next() * choices.length)] as T;
}
