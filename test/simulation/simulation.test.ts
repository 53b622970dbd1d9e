import { describe, expect, it, vi } from 'vitest';
import { cases } from './cases.ts';
import { runScenario, trySingles } from './crash-points.ts';
import { runHistory } from './history.ts';
import { fairWeather, type Plan } from './plan.ts';
import { scenarios } from './scenarios.ts';
import { planIn, shrink, textOf } from './shrink.ts';
import { planOf } from './swarm.ts';
import { perform } from './tasks.ts';
import { fatesByWeather } from './weather.ts';

// Virtual time is quick, but other tests share the machine.
vi.setConfig({ testTimeout: 120_000 });

/** A few seconds of what `npm run sim` does for minutes. */
describe('the simulator', () => {
  it.each([
    ['memory', 150],
    ['sqlite', 20],
  ] as const)('finds nothing on %s in the first %i seeds', async (adapter, count) => {
    const { histories, violations } = await perform({ kind: 'seeds', adapter, from: 1, count });
    expect(histories).toBe(count);
    expect(violations).toEqual([]);
  });

  it('tells one and the same history of a seed, and others of others', async () => {
    const hash = async (from: number): Promise<string> =>
      (await perform({ kind: 'seeds', adapter: 'memory', from, count: 15 })).hash;
    expect(await hash(1)).toBe(await hash(1));
    expect(await hash(1)).not.toBe(await hash(2));
  });

  it('tells the same history whether it is read or not', async () => {
    const plan = planOf(3, 'memory');
    const silent = await runHistory(plan, { fates: fatesByWeather(plan) });
    const read = await runHistory(plan, { fates: fatesByWeather(plan), isRead: true });
    expect(read.hash).toBe(silent.hash);
    expect(read.lines.length).toBeGreaterThan(100);
  });

  it('has at least twelve scenarios, each without a violation when nothing crashes, on either store', async () => {
    expect(scenarios.length).toBeGreaterThanOrEqual(12);
    for (const scenario of scenarios) {
      const results = [await runScenario(scenario, [], 'memory'), await runScenario(scenario, [], 'sqlite')];
      for (const { violations } of results) expect([scenario.name, violations]).toEqual([scenario.name, []]);
    }
  });

  // Small histories in which something was wrong once.
  describe.each(['memory', 'sqlite'] as const)('finds nothing any more on %s in the case of', (adapter) => {
    it.each(cases)('$name', async ({ plan }) => {
      const given = { ...plan, adapter, hasStoreClock: plan.hasStoreClock && adapter === 'memory' };
      const { violations } = await runHistory(given, { fates: fatesByWeather(given) });
      expect(violations).toEqual([]);
    });
  });

  it.each(['memory', 'sqlite'] as const)(
    'survives every crash of a single delivery, on %s',
    async (adapter) => {
      const [single] = scenarios;
      if (single === undefined) throw new Error('no scenario');
      const { histories, violations } = await trySingles(single, adapter, { part: 0, parts: 1 });
      expect(histories).toBeGreaterThan(100);
      expect(violations).toEqual([]);
    },
  );
});

describe('shrinking', () => {
  it('keeps a plan as it is in text', () => {
    const plan = planOf(5, 'memory');
    expect(planIn(textOf(plan))).toEqual(plan);
  });

  it('has nothing to do where nothing is violated', async () => {
    await expect(shrink(planOf(1, 'memory'))).rejects.toThrow('nothing to shrink');
  });
});

/** A checker that never objects would find nothing either. */
describe('the checker', () => {
  const plan = (settings: Partial<Plan['settings']> = {}): Plan => {
    const base = planOf(1, 'memory');
    return {
      ...base,
      nodes: 1,
      hasStoreClock: false,
      weather: fairWeather,
      webhooks: [
        {
          tenant: 0,
          events: ['*'],
          atMostOnce: false,
          moods: [{ untilMs: Number.POSITIVE_INFINITY, mood: 'well' }],
        },
      ],
      actions: [{ do: 'publish', atMs: 10, node: 0, tenant: 0, type: 'a.b', count: 3 }],
      faultsEndMs: 1_000,
      settings: { ...base.settings, ...settings },
    };
  };
  /** A store call that never returns, of the given name. */
  const withoutAnswerTo = (name: string, given: Plan) => {
    const fates = fatesByWeather(given);
    return (call: Parameters<typeof fates>[0], world: Parameters<typeof fates>[1]) =>
      call.name === name ? { ...fates(call, world), failure: 'before' as const } : fates(call, world);
  };

  it('has nothing to say of a quiet history', async () => {
    const given = plan();
    const { violations } = await runHistory(given, { fates: fatesByWeather(given) });
    expect(violations).toEqual([]);
  });

  it('misses the end of what can never be stored', async () => {
    const given = plan();
    const { violations } = await runHistory(given, { fates: withoutAnswerTo('events.settle', given) });
    expect(violations.join('\n')).toMatch(/^L at .* is delivering/);
  });
});
