import { describe, test } from 'vitest';
import { memoryRepos } from '../../src/memory/index.ts';
import { type ContractSubject, manualClock, runContract } from '../../src/testing/index.ts';

describe('the in-memory repos, judging by each caller’s now', () => {
  runContract({ test, create: () => ({ repos: memoryRepos() }) });
});

describe('the in-memory repos with a clock of their own', () => {
  runContract({
    test,
    create: (): ContractSubject => {
      const clock = manualClock();
      const time = { now: () => clock.now(), advance: (ms: number) => clock.advance(ms) };
      return { repos: memoryRepos({ clock }), time };
    },
  });
});
