/** The contract kit under another runner: `run.test.ts` runs this file with `node --test`. */
import { test } from 'node:test';
import { memoryRepos } from '../../src/memory/index.ts';
import { allLaws, runContract } from '../../src/testing/index.ts';

const first = allLaws[0]?.name ?? '';
runContract({
  test,
  create: () => ({ repos: memoryRepos() }),
  skip: { [first]: 'shown as an example' },
});
