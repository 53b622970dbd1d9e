import { describe, expect, it } from 'vitest';
import { Deadlines } from '../../src/dispatcher/deadlines.ts';
import { manualClock } from '../../src/testing/index.ts';

function setUp() {
  const clock = manualClock();
  const deadlines = new Deadlines(clock);
  const calls: string[] = [];
  const schedule = (name: string, delayMs: number): (() => void) =>
    deadlines.schedule(clock.now(), delayMs, () => calls.push(name));
  return { clock, calls, schedule };
}

describe('Deadlines', () => {
  it('calls each at its time, those of one millisecond by one timer', async () => {
    const { clock, calls, schedule } = setUp();
    schedule('a', 100);
    schedule('b', 100);
    schedule('short', 50);
    schedule('c', 100);
    expect(clock.pending).toBe(3);
    await clock.advance(10);
    schedule('later', 100);
    await clock.advance(89);
    expect(calls).toEqual(['short']);
    await clock.advance(1);
    expect(calls).toEqual(['short', 'a', 'b', 'c']);
    await clock.advance(10);
    expect([calls.at(-1), clock.pending]).toEqual(['later', 0]);
  });

  it('does not call what was cancelled, and leaves no timer when all were', async () => {
    const { clock, calls, schedule } = setUp();
    const cancels = [schedule('a', 100), schedule('b', 100)];
    for (const cancel of cancels) cancel();
    expect(clock.pending).toBe(0);
    schedule('c', 100);
    cancels[0]?.();
    expect(clock.pending).toBe(1);
    await clock.advance(100);
    expect(calls).toEqual(['c']);
  });

  it('may be cancelled, or begun anew, by what it calls', async () => {
    const { clock, calls } = setUp();
    const deadlines = new Deadlines(clock);
    const begin = (name: string, then: () => void): (() => void) => {
      const cancel = deadlines.schedule(clock.now(), 100, () => {
        calls.push(name);
        cancel();
        then();
      });
      return cancel;
    };
    let cancelSecond = (): void => {};
    begin('first', () => {
      cancelSecond();
      begin('third', () => {});
    });
    cancelSecond = begin('second', () => {});
    await clock.advance(100);
    expect(calls).toEqual(['first']);
    await clock.advance(100);
    expect([calls, clock.pending]).toEqual([['first', 'third'], 0]);
  });
});
