import type { Random } from '../../src/index.ts';
import { places } from './marks.ts';
import { LEASE_MS, type Mark } from './protocol.ts';

/** How a worker is to end. Times are ms from when it works. */
export type Fate =
  /** From when it was started: it may not work yet. */
  | { readonly kind: 'killed'; readonly afterMs: number }
  /** It kills itself; where it never comes to its mark it is killed after this time. */
  | { readonly kind: 'marked'; readonly mark: Mark; readonly afterMs: number }
  | { readonly kind: 'asked-to-stop'; readonly afterMs: number }
  /** It sleeps for longer than a lease, goes on, and is killed at last. */
  | {
      readonly kind: 'put-to-sleep';
      readonly afterMs: number;
      readonly forMs: number;
      readonly killedAfterMs: number;
    };

/** A longer life than that, without a mark reached, is a waste of time. */
const LONGEST_LIFE_MS = 1_600;

/** Draws a fate. */
export function drawFate(random: Random): Fate {
  const below = (limit: number): number => Math.floor(random.next() * limit);
  const lot = below(100);
  if (lot < 48) return { kind: 'marked', mark: drawMark(below), afterMs: LONGEST_LIFE_MS };
  if (lot < 78) return { kind: 'killed', afterMs: 30 + below(900) };
  if (lot < 87) return { kind: 'asked-to-stop', afterMs: below(600) };
  return {
    kind: 'put-to-sleep',
    // By then it has requests under way.
    afterMs: 150 + below(500),
    forMs: LEASE_MS + 50 + below(700),
    killedAfterMs: below(600),
  };
}

function drawMark(below: (limit: number) => number): Mark {
  const place = places[below(places.length)];
  if (place === undefined) throw new RangeError('There is no place to die at');
  return { ...place, call: 1 + below(4), statement: 1 + below(6) };
}
