import { once } from 'node:events';
import { createServer } from 'node:http';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sleep } from '../../src/clock.ts';
import { manualClock } from '../../src/testing/index.ts';

const DAY_MS = 86_400_000;

describe('manualClock', () => {
  it('starts where it is told and stands still', async () => {
    const clock = manualClock(1_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(clock.now()).toBe(1_000);
    expect(manualClock().now()).toBe(Date.UTC(2026, 0, 1));
  });

  it('runs what comes due, each at its own instant, in order of time and then of making', async () => {
    const clock = manualClock(0);
    const ran: string[] = [];
    const note = (name: string) => () => ran.push(`${name}@${clock.now()}`);
    clock.schedule(30, note('c'));
    clock.schedule(10, note('a'));
    clock.schedule(30, note('d'));
    clock.schedule(20, note('b'));
    clock.schedule(31, note('e'));
    await clock.advance(30);
    expect(ran).toEqual(['a@10', 'b@20', 'c@30', 'd@30']);
    expect(clock.now()).toBe(30);
    expect([clock.pending, clock.nextAt]).toEqual([1, 31]);
  });

  it('runs timers that timers and promises set on the way', async () => {
    const clock = manualClock(0);
    const seen: number[] = [];
    const worker = async () => {
      for (let round = 0; round < 5; round += 1) {
        await sleep(clock, 10);
        await Promise.resolve();
        seen.push(clock.now());
      }
    };
    void worker();
    await clock.advance(100);
    expect(seen).toEqual([10, 20, 30, 40, 50]);
  });

  it('runs calls with delay 0 without an advance, never synchronously', async () => {
    const clock = manualClock(5);
    let runs = 0;
    clock.schedule(0, () => {
      runs += 1;
      clock.schedule(-1, () => {
        runs += 1;
      });
    });
    expect(runs).toBe(0);
    expect([clock.pending, clock.nextAt]).toEqual([0, undefined]);
    await expect.poll(() => runs).toBe(2);
    expect(clock.now()).toBe(5);
  });

  it('finishes long chains of delay 0 before time goes on', async () => {
    const clock = manualClock(0);
    const log: string[] = [];
    clock.schedule(10, () => {
      const step = (left: number): void => {
        if (left === 0) log.push(`chain@${clock.now()}`);
        else clock.schedule(0, () => step(left - 1));
      };
      step(100);
    });
    clock.schedule(20, () => log.push(`timer@${clock.now()}`));
    await clock.advance(20);
    expect(log).toEqual(['chain@10', 'timer@20']);
  });

  it('does not hang on an endless chain of delay 0', async () => {
    const clock = manualClock(0);
    let isOver = false;
    const again = (): void => {
      if (!isOver) clock.schedule(0, again);
    };
    again();
    await clock.advance(1);
    isOver = true;
    expect(clock.now()).toBe(1);
  });

  it('runs nothing that was cancelled, however often', async () => {
    const clock = manualClock(0);
    const ran: string[] = [];
    const cancels = [clock.schedule(10, () => ran.push('timer')), clock.schedule(0, () => ran.push('soon'))];
    const late = clock.schedule(5, () => ran.push('kept'));
    expect(clock.pending).toBe(2);
    for (const cancel of [...cancels, ...cancels]) cancel();
    expect(clock.pending).toBe(1);
    await clock.advance(20);
    late();
    expect(ran).toEqual(['kept']);
    expect(clock.pending).toBe(0);
  });

  it('runs overlapping advances one after the other', async () => {
    const clock = manualClock(0);
    const at: number[] = [];
    for (const delay of [5, 15, 25]) clock.schedule(delay, () => at.push(clock.now()));
    const [first, second] = [clock.advance(10), clock.advance(10)];
    await first;
    expect([clock.now(), at]).toEqual([10, [5]]);
    await second;
    expect([clock.now(), at]).toEqual([20, [5, 15]]);
  });

  it('goes on after a timer has thrown', async () => {
    const clock = manualClock(0);
    clock.schedule(10, () => {
      throw new Error('thrown on purpose');
    });
    await expect(clock.advance(10)).rejects.toThrow('thrown on purpose');
    await clock.advance(5);
    expect(clock.now()).toBe(15);
  });

  it('advances to an instant, and stays for one that has passed', async () => {
    const clock = manualClock(100);
    await clock.advanceTo(150);
    expect(clock.now()).toBe(150);
    await clock.advanceTo(120);
    expect(clock.now()).toBe(150);
  });

  it.each([-1, Number.NaN])('refuses to advance by %d', (ms) => {
    expect(() => manualClock().advance(ms)).toThrow(RangeError);
    expect(() => manualClock().advanceTo(Number.NaN)).toThrow(RangeError);
  });

  it('passes through seven days of thousands of timers', async () => {
    const clock = manualClock(0);
    let runs = 0;
    for (let n = 0; n < 5_000; n += 1) clock.schedule((n * 7 * DAY_MS) / 5_000 + 1, () => (runs += 1));
    await clock.advance(7 * DAY_MS);
    expect([runs, clock.pending]).toEqual([5_000, 0]);
  });

  it('lets I/O that is under way come in between', async () => {
    const server = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const clock = manualClock(0);
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    let body = '';
    const fetching = fetch(`http://127.0.0.1:${port}`).then(async (response) => {
      body = await response.text();
    });
    // How many turns a socket takes is not ours to know: time may go on, but the answer comes in while it does.
    for (let round = 0; body === '' && round < 10_000; round += 1) await clock.advance(1);
    await fetching;
    expect(body).toBe('ok');
    server.close();
  });

  it('runs exactly the timers that are due and not cancelled, in order', async () => {
    const timer = fc.record({ delay: fc.integer({ min: 1, max: 50 }), isCancelled: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(timer, { maxLength: 30 }), fc.nat(60), async (timers, ms) => {
        const clock = manualClock(0);
        const ran: number[] = [];
        const cancels = timers.map(({ delay }, index) => clock.schedule(delay, () => ran.push(index)));
        for (const [index, { isCancelled }] of timers.entries()) if (isCancelled) cancels[index]?.();
        await clock.advance(ms);
        const due = timers.map((entry, index) => ({ ...entry, index }));
        const expected = due.filter(({ delay, isCancelled }) => !isCancelled && delay <= ms);
        expect(ran).toEqual(expected.toSorted((a, b) => a.delay - b.delay).map(({ index }) => index));
        expect(clock.pending).toBe(timers.filter(({ isCancelled }) => !isCancelled).length - ran.length);
      }),
      { numRuns: 50 },
    );
  });
});
