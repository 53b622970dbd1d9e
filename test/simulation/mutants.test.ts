import { readFileSync } from 'node:fs';
import module from 'node:module';
import { describe, expect, it } from 'vitest';
import { Crew } from './crew.ts';
import { mutants } from './mutants.ts';
import { patched } from './plant.ts';

const SRC = new URL('../../src/', import.meta.url);

describe('planted bugs', () => {
  it('are at least 25, each with a name of its own', () => {
    expect(mutants.length).toBeGreaterThanOrEqual(25);
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  });

  it.each(mutants)('$name: can be planted', ({ patches }) => {
    for (const patch of patches) {
      const source = readFileSync(new URL(patch.file, SRC), 'utf8');
      expect(patched(source, patch)).not.toBe(source);
    }
  });

  it('are refused where the text is not there, or there twice', () => {
    const patch = { file: 'a.ts', find: 'b', put: 'c' };
    expect(() => patched('a', patch)).toThrow('a.ts has 0 times "b"');
    expect(() => patched('bb', patch)).toThrow('a.ts has 2 times "b"');
  });

  // Older versions of Node cannot patch what they load.
  it.skipIf(!('registerHooks' in module))('are found', { timeout: 120_000 }, async () => {
    const names = ['leases are judged by the clock of the node', 'the last byte is not sent'];
    const tasks = names.map(
      (mutant) => ({ kind: 'hunt', mutant, trials: 1, limit: 20, shrinks: false }) as const,
    );
    const results = await new Crew(tasks).work();
    for (const { seeds } of results) expect(seeds).toEqual([expect.any(Number)]);
  });
});
