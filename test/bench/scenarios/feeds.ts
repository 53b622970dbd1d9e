/** Runs in which as much waits at any time. */
import type { Bench, Run } from '../harness.ts';
import type { StoreName } from '../protocol.ts';
import type { Home } from '../stores/home.ts';

export interface FeedOptions {
  readonly scale: number;
  readonly waiting: number;
  readonly waitingForDead?: number;
  /** Of another process, which has put into it what waits. */
  readonly filled?: { readonly home: Home | undefined };
}

export function feed(bench: Bench, contender: StoreName, options: FeedOptions): Promise<Run> {
  const { scale, waiting, waitingForDead = 0, filled } = options;
  const [warmUp, measured] = [Math.round(5_000 * scale), Math.round(12_000 * scale)];
  return bench.feed({
    contender,
    task: { mode: 'feed', waiting, waitingForDead, filled: filled !== undefined },
    marks: [warmUp, warmUp + measured],
    home: filled?.home,
  });
}
