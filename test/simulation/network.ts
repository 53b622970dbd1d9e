import {
  type Random,
  type Transport,
  TransportError,
  type TransportErrorKind,
  type TransportRequest,
  type TransportResponse,
} from '../../src/index.ts';
import { type Answer, answerOf, type EndpointState } from './endpoint.ts';
import type { Life } from './life.ts';
import type { Weather } from './plan.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

/** One request on its way. */
export interface Sending {
  /** Counts all requests of a history from 0. */
  readonly number: number;
  readonly life: Life;
  readonly request: TransportRequest;
  /** True time of its start. */
  readonly at: number;
  /** What the clock of its sender said then. */
  readonly senderNow: number;
  /** When it arrived at the endpoint; undefined while it has not. */
  arrivedAt?: number;
  /** The status it was answered with, once it was. */
  answered?: number;
  /** How it ended for its sender; undefined while it has not. */
  end?: 'answered' | 'failed' | 'aborted';
  /** When that was, true time. */
  endedAt?: number;
}

/** Who watches the network. */
export interface NetworkWatcher {
  sent(sending: Sending): void;
  received(sending: Sending): void;
  /** Its sender gave up waiting; the transport may still hand something over. */
  aborted(sending: Sending): void;
  ended(sending: Sending, status: number): void;
}

/** What the network works with. */
export interface NetworkParts {
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly random: Random;
  readonly weather: () => Weather;
  readonly endpointOf: (url: string) => EndpointState | undefined;
  readonly watcher: NetworkWatcher;
}

const brokenAs: readonly TransportErrorKind[] = ['dns', 'refused', 'reset', 'tls', 'request'];
/** One way, ms. */
const WIRE_MS = 5;

/** Everything between the nodes and the endpoints. A request that was made may arrive, whatever becomes of who made it. */
export class Network {
  readonly #parts: NetworkParts;
  #requests = 0;

  constructor(parts: NetworkParts) {
    this.#parts = parts;
  }

  /** The transport of one life. */
  transportOf(life: Life): Transport {
    return { send: (request) => this.#send(life, request) };
  }

  #send(life: Life, request: TransportRequest): Promise<TransportResponse> {
    const { timeline, trace, watcher, random, weather } = this.#parts;
    if (!life.isAlive) return new Promise(() => {});
    const { now: at } = timeline;
    const sending: Sending = { number: this.#requests, life, request, at, senderNow: life.clock.now() };
    this.#requests += 1;
    trace.note(life.name, `request ${sending.number}`, [request.url, request.headers['webhook-id']]);
    watcher.sent(sending);
    return new Promise((resolve, reject) => {
      const end = (how: 'answered' | 'failed' | 'aborted', status: number, finish: () => void): void => {
        if (sending.end !== undefined) return;
        sending.end = how;
        sending.endedAt = timeline.now;
        trace.note(life.name, `request ${sending.number} ${how} ${status}`);
        watcher.ended(sending, status);
        finish();
      };
      const fail = (kind: TransportErrorKind): void =>
        end('failed', 0, () => reject(new TransportError(kind, kind)));
      const answer = (response: TransportResponse): void =>
        end('answered', response.status, () => resolve(response));
      const isStubborn = random.next() < weather().stubborn;
      request.onAbort(() => {
        watcher.aborted(sending);
        if (!isStubborn) end('aborted', 0, () => reject(new TransportError('aborted', 'aborted')));
      });
      const wireMs = random.next() * WIRE_MS;
      if (random.next() < weather().broken) {
        const kind = brokenAs[Math.floor(random.next() * brokenAs.length)] ?? 'reset';
        timeline.after(wireMs, () => fail(kind), life);
      } else timeline.after(wireMs, () => this.#arrive(sending, { answer, fail }));
    });
  }

  #arrive(
    sending: Sending,
    ways: { answer(response: TransportResponse): void; fail(kind: TransportErrorKind): void },
  ): void {
    const { timeline, trace, watcher, endpointOf } = this.#parts;
    const { request, life, number } = sending;
    const endpoint = endpointOf(request.url);
    const answer: Answer =
      endpoint === undefined ? { error: 'dns', afterMs: 0 } : answerOf(endpoint, request, timeline.now);
    if ('error' in answer && answer.error !== 'reset') {
      timeline.after(answer.afterMs, () => ways.fail(answer.error), life);
      return;
    }
    sending.arrivedAt = timeline.now;
    if ('status' in answer) sending.answered = answer.status;
    trace.note('net', `request ${number} arrives`, answer);
    watcher.received(sending);
    if ('error' in answer) timeline.after(answer.afterMs, () => ways.fail(answer.error), life);
    else if ('status' in answer) {
      const { status, headers, body } = answer;
      const response = { status, headers, body: new TextEncoder().encode(body) };
      timeline.after(answer.afterMs, () => ways.answer(response), life);
    }
  }
}
