import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { memoryRepos } from '../../src/memory/index.ts';
import { allLaws, contractLaws, type Law, runContract } from '../../src/testing/index.ts';

const create = () => ({ repos: memoryRepos() });
const [aLaw] = allLaws as [Law, ...Law[]];

describe('contractLaws', () => {
  it('names every law once, by its family', () => {
    const names = allLaws.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, family } of allLaws) expect(name.startsWith(`${family}: `)).toBe(true);
  });

  it('makes a subject for each law and disposes of it, also when the law is broken', async () => {
    const log: string[] = [];
    const laws = contractLaws({
      create: () => {
        log.push('create');
        const repos = memoryRepos();
        const events = { ...repos.events, append: () => Promise.reject(new Error('down')) };
        return { repos: { ...repos, events }, dispose: () => void log.push('dispose') };
      },
    });
    await expect(laws.find(({ name }) => name === aLaw.name)?.run()).rejects.toThrow();
    expect(log).toEqual(['create', 'dispose']);
  });

  it('skips a law by its name and all laws of a family by its name, with the reason', async () => {
    const skip = { [aLaw.name]: 'not ours', 'wake-up': 'polls only' };
    const skipped = contractLaws({ create: () => expect.fail('made a subject'), skip }).filter(
      (law) => law.skipped !== undefined,
    );
    const wakeUps = allLaws.filter(({ family }) => family === 'wake-up').length;
    expect(skipped.map((law) => law.skipped)).toEqual(['not ours', ...Array(wakeUps).fill('polls only')]);
    for (const law of skipped) await law.run();
  });

  it.each([
    [{ 'no such law': 'reason' }, 'skip names "no such law", which is neither a law nor a family of laws'],
    [{ toString: 'reason' }, 'skip names "toString"'],
    [{ append: ' ' }, 'skip["append"] must give a reason, not " "'],
  ])('refuses the skip %j', (skip, message) => {
    expect(() => contractLaws({ create, skip })).toThrow(TypeError);
    expect(() => contractLaws({ create, skip })).toThrow(message);
  });

  it.each([0, 1, 1.5, Number.NaN])('refuses leases of %d ms', (leaseMs) => {
    expect(() => contractLaws({ create, leaseMs })).toThrow(RangeError);
  });

  it('refuses to wait a negative time for wake-ups', () => {
    expect(() => contractLaws({ create, noticeMs: -1 })).toThrow(RangeError);
  });

  it('says what to skip for a plain WebhookRepo, and runs its laws with a hook that stores webhooks', async () => {
    const plain = () => {
      const { webhooks, events, state } = memoryRepos();
      const repo = {
        getMany: webhooks.getMany.bind(webhooks),
        subscribers: webhooks.subscribers.bind(webhooks),
        setStatus: webhooks.setStatus.bind(webhooks),
      };
      const storeWebhook = async (webhook: Parameters<typeof webhooks.insert>[0]): Promise<void> => {
        await webhooks.insert(webhook);
      };
      return { repos: { webhooks: repo, events, state }, storeWebhook };
    };
    const laws = contractLaws({ create: plain });
    for (const law of laws.filter(({ family }) => family === 'webhooks')) await law.run();
    for (const law of laws.filter(({ family }) => family === 'webhook-store')) {
      await expect(law.run()).rejects.toThrow(/WebhookStore|skip/);
    }
  });

  it('says what to skip for repos without wake-ups', async () => {
    const silent = () => {
      const repos = memoryRepos();
      const without = <T extends object>(repo: T, name: string): T =>
        new Proxy(repo, {
          get: (real, key) => {
            const member: unknown = key === name ? undefined : Reflect.get(real, key);
            return typeof member === 'function' ? member.bind(real) : member;
          },
        });
      const webhooks = without(repos.webhooks, 'onChange');
      return { repos: { ...repos, webhooks, events: without(repos.events, 'onWork') } };
    };
    const laws = contractLaws({ create: silent }).filter(({ family }) => family === 'wake-up');
    for (const law of laws)
      await expect(law.run()).rejects.toThrow('name this law in `skip`, with the reason');
  });
});

describe('runContract', () => {
  it('registers every law, and the skipped ones as skipped with their reason', () => {
    const registered: string[] = [];
    const skipped: string[] = [];
    const test = Object.assign((name: string) => void registered.push(name), {
      skip: (name: string) => void skipped.push(name),
    });
    runContract({ test, create, skip: { [aLaw.name]: 'not ours' } });
    expect(registered).toEqual(allLaws.slice(1).map(({ name }) => name));
    expect(skipped).toEqual([`${aLaw.name} (skipped: not ours)`]);
  });

  it('registers a skipped law as a test that passes where the runner cannot skip', async () => {
    const registered: [string, () => Promise<void>][] = [];
    const test = (name: string, run: () => Promise<void>) => void registered.push([name, run]);
    runContract({ test, create: () => expect.fail('made a subject'), skip: { [aLaw.name]: 'not ours' } });
    const [name, run] = registered[0] ?? [];
    expect(name).toBe(`${aLaw.name} (skipped: not ours)`);
    await run?.();
  });

  it('runs under node:test', { timeout: 30_000 }, async () => {
    const file = fileURLToPath(new URL('./under-node-test.ts', import.meta.url));
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const args = ['--test', '--test-reporter=tap', file];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env, maxBuffer: 2 ** 24 });
    expect(stdout).toContain(`# pass ${allLaws.length - 1}\n`);
    expect(stdout).toContain('# fail 0\n');
    expect(stdout).toContain('# skipped 1\n');
    expect(stdout).toContain(`${aLaw.name} (skipped: shown as an example) # SKIP`);
  });
});
