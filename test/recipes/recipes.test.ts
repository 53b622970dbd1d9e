/** The README's recipes: each is run, and each has a trial of what the README says of it. */
import { expect, it, vi } from 'vitest';
import { delivering } from './delivering.ts';
import { operating } from './operating.ts';
import { publishing } from './publishing.ts';
import { type Recipe, readRecipes, type Trial } from './recipe.ts';
import { serving } from './serving.ts';
import { storing } from './storing.ts';

// An example that a recipe uses imports the package by its name: here that is what lies in src, built or not.
vi.mock('surehook', () => import('../../src/index.ts'));

/** The first one that needs a database starts a server. */
const TIMEOUT_MS = 30_000;

const recipes = readRecipes();
const trials = new Map<string, Trial>(
  [publishing, delivering, operating, serving, storing].flatMap((some) => Object.entries(some)),
);

function recipeOf(name: string): Recipe {
  const found = recipes.find((recipe) => recipe.name === name);
  if (found === undefined) throw new Error(`The README has no block "${name}"`);
  return found;
}

it.each(recipes)(
  '$name',
  async (recipe) => {
    const trial = trials.get(recipe.name);
    if (trial === undefined) throw new Error(`No trial runs the block "${recipe.name}" of the README`);
    await trial(recipe, recipeOf);
  },
  TIMEOUT_MS,
);

it('no trial is of a block that is gone', () => {
  const names = recipes.map(({ name }) => name);
  expect([...trials.keys()].filter((name) => !names.includes(name))).toEqual([]);
});
