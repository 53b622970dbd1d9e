import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { StorageError } from '../../src/errors.ts';
import { Storage } from '../../src/runtime/storage.ts';
import type { FaultCase, Stage } from './fault-cases.ts';

/** What a case does where nothing goes wrong, and what it does when it is called once more. */
export interface Undisturbed {
  readonly before: unknown;
  readonly first: unknown;
  readonly stored: unknown;
  readonly second: unknown;
  readonly storedAgain: unknown;
}

export async function undisturbed(stage: Stage, one: FaultCase): Promise<Undisturbed> {
  await one.before?.(stage);
  const before = await stage.dump();
  const first = await one.call(stage);
  const stored = await stage.dump();
  const second = await one.call(stage);
  return { before, first, stored, second, storedAgain: await stage.dump() };
}

/** How a disturbed call ended: as the engine sees it, which calls its repos through a `Storage`. */
export type Outcome = { readonly result: unknown } | { readonly error: unknown };

export async function outcomeOf(operation: string, call: () => Promise<unknown>): Promise<Outcome> {
  const storage = new Storage({ clock: systemClock, timeoutMs: 10_000 });
  return storage.attempt(operation, call).then(
    (result) => ({ result }),
    (error: unknown) => ({ error }),
  );
}

/** A call that was disturbed, prepared and made on a stage of its own. */
export interface Disturbed {
  readonly stage: Stage;
  readonly one: FaultCase;
  readonly expected: Undisturbed;
  readonly outcome: Outcome;
  /** What the planted error has. */
  readonly cause: object;
  /** Whether a store that may apply a batch item by item does so. */
  readonly mayBePartial: boolean;
}

/**
 * A call that resolved has done everything. One that rejected did so with a `StorageError`, has done everything or nothing, and works when
 * it is made again. Resolves with what was found to be stored.
 */
export async function expectWhole(disturbed: Disturbed): Promise<'everything' | 'nothing' | 'a part'> {
  const { stage, one, expected, outcome, cause, mayBePartial } = disturbed;
  const stored = await stage.dump();
  if ('result' in outcome) {
    expect(outcome.result).toEqual(expected.first);
    expect(stored).toEqual(expected.stored);
    return 'everything';
  }
  expect(outcome.error).toBeInstanceOf(StorageError);
  expect(outcome.error).toMatchObject({ cause });
  if (isDeepStrictEqual(stored, expected.before)) {
    expect(await one.call(stage)).toEqual(expected.first);
    expect(await stage.dump()).toEqual(expected.stored);
    return 'nothing';
  }
  if (mayBePartial && !isDeepStrictEqual(stored, expected.stored)) {
    await one.call(stage);
    expect(await stage.dump()).toEqual(expected.stored);
    return 'a part';
  }
  expect(stored).toEqual(expected.stored);
  expect(await one.call(stage)).toEqual(expected.second);
  expect(await stage.dump()).toEqual(expected.storedAgain);
  return 'everything';
}
