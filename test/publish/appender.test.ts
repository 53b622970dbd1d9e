import { describe, expect, it } from 'vitest';
import { ConflictError } from '../../src/errors.ts';
import { memoryRepos } from '../../src/index.ts';
import { Appender } from '../../src/publish/appender.ts';
import type { AppendEntry, EventRepo } from '../../src/repos.ts';
import { anEvent } from '../../src/testing/contract/records.ts';
import { manualClock } from '../../src/testing/index.ts';

const entry = (id: string, fingerprint = ''): AppendEntry => ({
  event: anEvent({ id, fingerprint }),
  deliveries: [],
});

/** An appender on repos whose appends end when told to. */
function held() {
  const { events } = memoryRepos();
  const clock = manualClock();
  const calls: string[][] = [];
  const waiting: (() => void)[] = [];
  const repo: EventRepo = Object.assign(Object.create(events), {
    append: async (...args: Parameters<EventRepo['append']>) => {
      calls.push(args[0].map(({ event }) => event.id));
      await new Promise<void>((resolve) => waiting.push(resolve));
      return events.append(...args);
    },
  });
  const release = async (): Promise<void> => {
    waiting.shift()?.();
    await clock.advance(0);
  };
  return { appender: new Appender(repo, clock), clock, calls, release };
}

const idsOf = (results: readonly { event: { id: string } }[]): string[] =>
  results.map(({ event }) => event.id);

describe('appends of several publishes', () => {
  it('go at once where nothing is under way, and together where something is', async () => {
    const { appender, calls, release } = held();
    const [first, ...others] = ['a', 'b', 'c'].map((id) => appender.append([entry(id), entry(`${id}2`)], 1));
    expect(calls).toEqual([['a', 'a2']]);
    await release();
    expect(calls).toEqual([
      ['a', 'a2'],
      ['b', 'b2', 'c', 'c2'],
    ]);
    await release();
    expect(idsOf((await first) ?? [])).toEqual(['a', 'a2']);
    expect(await Promise.all(others).then((all) => all.map(idsOf))).toEqual([
      ['b', 'b2'],
      ['c', 'c2'],
    ]);
  });

  it('do not wait longer than 20 ms for one that hangs', async () => {
    const { appender, clock, calls } = held();
    void appender.append([entry('hangs')], 1);
    void appender.append([entry('b')], 1);
    void appender.append([entry('c')], 1);
    await clock.advance(19);
    expect(calls).toHaveLength(1);
    await clock.advance(1);
    expect(calls).toEqual([['hangs'], ['b', 'c']]);
  });

  it('are made one by one where one of them is refused: the others are stored', async () => {
    const { appender, release } = held();
    const first = appender.append([entry('a', 'one')], 1);
    const outcomes = Promise.allSettled([
      appender.append([entry('b')], 1),
      appender.append([entry('a', 'another')], 1),
      appender.append([entry('c')], 1),
    ]);
    for (let calls = 0; calls < 6; calls += 1) await release();
    expect(idsOf(await first)).toEqual(['a']);
    const [b, a, c] = await outcomes;
    expect(b).toMatchObject({ status: 'fulfilled' });
    expect(a).toMatchObject({ status: 'rejected', reason: expect.any(ConflictError) });
    expect(c).toMatchObject({ status: 'fulfilled' });
  });

  it('all fail where the repo fails, and the next ones are made as if nothing had been', async () => {
    const { events } = memoryRepos();
    let isDown = true;
    const repo: EventRepo = Object.assign(Object.create(events), {
      append: async (...args: Parameters<EventRepo['append']>) => {
        await Promise.resolve();
        if (isDown) throw new Error('down');
        return events.append(...args);
      },
    });
    const appender = new Appender(repo, manualClock());
    const failed = await Promise.allSettled(['a', 'b', 'c'].map((id) => appender.append([entry(id)], 1)));
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    isDown = false;
    expect(idsOf(await appender.append([entry('a')], 1))).toEqual(['a']);
  });

  it('hold no more than 500 events, but for a call that has more', async () => {
    const { appender, calls, release } = held();
    const many = (name: string, count: number): AppendEntry[] =>
      Array.from({ length: count }, (_, n) => entry(`${name}${n}`));
    for (const [name, count] of [
      ['a', 1],
      ['b', 300],
      ['c', 200],
      ['d', 1],
      ['e', 700],
    ] as const) {
      void appender.append(many(name, count), 1);
    }
    for (let n = 0; n < 4; n += 1) await release();
    expect(calls.map(({ length }) => length)).toEqual([1, 500, 1, 700]);
  });
});
