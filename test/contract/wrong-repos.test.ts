import { describe, expect, it } from 'vitest';
import { allLaws, contractLaws, type LawFamily } from '../../src/testing/index.ts';
import type { WrongRepos } from './wrong.ts';
import { wrongRepos } from './wrong-repos.ts';

/** Laws that no planted fault has broken yet; the last test looks at what is left. */
const unbroken = new Set(allLaws.map(({ name }) => name));

/** The names of the laws of a family that wrong repos break. */
async function broken(family: LawFamily, { create }: WrongRepos): Promise<readonly string[]> {
  const options = { create: () => ({ repos: create() }), noticeMs: 15 };
  const laws = contractLaws(options).filter((law) => law.family === family);
  const outcomes = await Promise.allSettled(laws.map((law) => law.run()));
  return laws.filter((_, index) => outcomes[index]?.status === 'rejected').map((law) => law.name);
}

describe.each(Object.entries(wrongRepos) as [LawFamily, readonly WrongRepos[]][])(
  'the laws of %s',
  (family, faulty) => {
    it.each(faulty)('catch one that $fault', async (repos) => {
      const names = await broken(family, repos);
      for (const name of names) unbroken.delete(name);
      expect(names).not.toEqual([]);
    });
  },
);

describe('the planted faults', () => {
  it('break every law: none is there that cannot fail', () => {
    expect([...unbroken]).toEqual([]);
  });
});
