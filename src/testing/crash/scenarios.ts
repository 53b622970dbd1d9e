import type { DeliveryMode } from '../../domain/webhook.ts';
import type { ScriptedAnswer } from '../scripted-transport.ts';

/** What the host does, at an instant after the beginning. */
export type Step = { readonly atMs: number } & (
  | { readonly do: 'publish'; readonly count: number; readonly keys?: number }
  | { readonly do: 'disable' | 'enable'; readonly webhook: number }
  /** Stops the process, and starts the next one. */
  | { readonly do: 'stop'; readonly deadlineMs: number }
  /** Replays every delivery that was given up. */
  | { readonly do: 'replay' }
  /** The store refuses every call. */
  | { readonly do: 'outage'; readonly forMs: number }
);

/** A subscriber of everything, and its endpoint. */
interface ScenarioWebhook {
  readonly answers: (elapsedMs: number) => ScriptedAnswer;
  readonly delivery?: Partial<DeliveryMode>;
  readonly maxInFlight?: number;
}

/** A small history told by hand, in which a process may end at any call. */
export interface Scenario {
  readonly name: string;
  readonly webhooks: readonly ScenarioWebhook[];
  readonly steps: readonly Step[];
  /** Whether a delivery may end without being delivered. */
  readonly mayGiveUp?: true;
  /** Waits before each attempt, ms. Default: as many as it takes. */
  readonly delaysMs?: readonly number[];
  /** D, ms. */
  readonly unavailableAfterMs?: number;
}

const well = (): ScriptedAnswer => 200;
// biome-ignore lint/suspicious/noThenProperty: the name of a field of the script, which nobody awaits
const slow = (): ScriptedAnswer => ({ afterMs: 60, then: 200 });
const failing = (): ScriptedAnswer => 503;
const failingUntil =
  (untilMs: number) =>
  (elapsedMs: number): ScriptedAnswer =>
    elapsedMs < untilMs ? 503 : 200;
const slowAndFailingUntil =
  (untilMs: number) =>
  (elapsedMs: number): ScriptedAnswer => ({
    afterMs: 20,
    // biome-ignore lint/suspicious/noThenProperty: the name of a field of the script, which nobody awaits
    then: elapsedMs < untilMs ? 503 : 200,
  });
const unreachableUntil =
  (untilMs: number) =>
  (elapsedMs: number): ScriptedAnswer =>
    elapsedMs < untilMs ? { error: 'refused' } : 200;
const twoTries = [0, 50];

/** The parts of what the engine does, each small enough to be interrupted at every call. */
export const scenarios: readonly Scenario[] = [
  { name: 'single', webhooks: [{ answers: well }], steps: [{ atMs: 10, do: 'publish', count: 1 }] },
  {
    name: 'fan-out',
    webhooks: [{ answers: well }, { answers: slow }, { answers: well }],
    steps: [
      { atMs: 10, do: 'publish', count: 2 },
      { atMs: 40, do: 'publish', count: 1 },
    ],
  },
  {
    name: 'retry, then success',
    webhooks: [{ answers: slowAndFailingUntil(250) }],
    steps: [{ atMs: 10, do: 'publish', count: 2 }],
  },
  {
    name: 'exhaust',
    webhooks: [{ answers: failing }],
    steps: [{ atMs: 10, do: 'publish', count: 2 }],
    delaysMs: twoTries,
    mayGiveUp: true,
  },
  {
    name: 'at-most-once',
    webhooks: [
      { answers: slow, delivery: { semantics: 'at-most-once' } },
      { answers: failingUntil(100), delivery: { semantics: 'at-most-once' } },
    ],
    steps: [
      { atMs: 10, do: 'publish', count: 2 },
      { atMs: 150, do: 'publish', count: 1 },
    ],
    mayGiveUp: true,
  },
  {
    name: 'unavailable and back',
    webhooks: [{ answers: unreachableUntil(500) }],
    steps: [
      { atMs: 10, do: 'publish', count: 1 },
      { atMs: 400, do: 'publish', count: 1 },
      { atMs: 500, do: 'enable', webhook: 0 },
      { atMs: 510, do: 'publish', count: 1 },
      { atMs: 520, do: 'replay' },
    ],
    unavailableAfterMs: 250,
    mayGiveUp: true,
  },
  {
    name: 'disable in flight',
    webhooks: [{ answers: slow }],
    steps: [
      { atMs: 10, do: 'publish', count: 3 },
      { atMs: 40, do: 'disable', webhook: 0 },
      { atMs: 150, do: 'publish', count: 1 },
      { atMs: 250, do: 'enable', webhook: 0 },
      { atMs: 260, do: 'publish', count: 1 },
    ],
  },
  {
    name: 'stop in flight',
    webhooks: [{ answers: slow }, { answers: failingUntil(150) }],
    steps: [
      { atMs: 10, do: 'publish', count: 3 },
      { atMs: 40, do: 'stop', deadlineMs: 10 },
      { atMs: 200, do: 'publish', count: 1 },
    ],
  },
  {
    name: 'replay',
    webhooks: [{ answers: failingUntil(300) }],
    steps: [
      { atMs: 10, do: 'publish', count: 2 },
      { atMs: 500, do: 'replay' },
    ],
    delaysMs: twoTries,
    mayGiveUp: true,
  },
  {
    name: 'overflow to the own queue',
    webhooks: [{ answers: slow, maxInFlight: 1 }, { answers: well }],
    steps: [
      { atMs: 10, do: 'publish', count: 5 },
      { atMs: 200, do: 'publish', count: 1 },
    ],
  },
  {
    name: 'ordered',
    webhooks: [{ answers: failingUntil(120), delivery: { ordered: true, onExhausted: 'block' } }],
    steps: [
      { atMs: 10, do: 'publish', count: 4, keys: 2 },
      { atMs: 150, do: 'publish', count: 2, keys: 2 },
    ],
  },
  {
    name: 'batched',
    webhooks: [
      {
        answers: failingUntil(120),
        delivery: { mode: 'batched', batch: { maxEvents: 3, maxBytes: 10_000, maxWaitMs: 20 } },
      },
    ],
    steps: [
      { atMs: 10, do: 'publish', count: 4 },
      { atMs: 100, do: 'publish', count: 2 },
    ],
  },
  {
    name: 'store outage',
    webhooks: [{ answers: slow }, { answers: failingUntil(150) }],
    steps: [
      { atMs: 10, do: 'publish', count: 2 },
      { atMs: 30, do: 'outage', forMs: 250 },
      { atMs: 300, do: 'publish', count: 1 },
    ],
  },
];
