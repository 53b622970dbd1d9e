import { readFileSync } from 'node:fs';
import type { Plan } from './plan.ts';
import { planIn } from './shrink.ts';

/** A small history in which something was wrong once. */
export interface Case {
  /** What was wrong: for a bug that can be planted again, the name of the mutant. */
  readonly name: string;
  readonly plan: Plan;
}

/** Every case is one line of `cases.jsonl`: its name, a tab, its plan as `--shrink` prints it. */
export const cases: readonly Case[] = readFileSync(new URL('cases.jsonl', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => {
    const [name = '', plan = ''] = line.split('\t');
    return { name, plan: planIn(plan) };
  });
