import type { Receiver } from './receiver.ts';
import type { Scoreboard } from './scoreboard.ts';

/** One thing that must hold at the end. */
export interface Check {
  readonly text: string;
  readonly holds: boolean;
}

/** What happened. */
export interface Tour {
  readonly receivers: Readonly<Record<'healthy' | 'flaky' | 'dead', Receiver>>;
  readonly scoreboard: Scoreboard;
  /** Ids of events. */
  readonly published: readonly string[];
  readonly replayed: number;
  readonly flakyFailures: number;
}

/** Compares what the receivers got with what was published, and what surehook told with what was done to it. */
export function runChecks({ receivers, scoreboard, published, replayed, flakyFailures }: Tour): Check[] {
  const received = Object.entries(receivers).map(([name, { accepted, forged }]) => ({
    text: `${name} received ${accepted.size} of ${published.length} events, once each, every signature verified`,
    holds:
      forged === 0 && published.every((id) => accepted.get(id) === 1) && accepted.size === published.length,
  }));
  const path = (name: string): string => scoreboard.of(name).states.join(' -> ');
  const went = (name: string, expected: string): Check => ({
    text: `${name} went ${path(name)}`,
    holds: path(name) === expected,
  });
  const { turnedAway } = receivers.flaky;
  return [
    ...received,
    {
      ...went('flaky', 'enabled -> retrying -> enabled'),
      holds: turnedAway === flakyFailures && path('flaky') === 'enabled -> retrying -> enabled',
    },
    went('dead', 'enabled -> retrying -> unavailable -> enabled'),
    { text: `${replayed} deliveries of dead were given up, replayed and delivered`, holds: replayed > 0 },
    { text: `${scoreboard.errors.length} errors`, holds: scoreboard.errors.length === 0 },
  ];
}
