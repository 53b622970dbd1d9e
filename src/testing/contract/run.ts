import { quote } from '../../errors.ts';
import { type ContractSubject, LawContext } from './context.ts';
import type { LawFamily } from './law.ts';
import { allLaws } from './laws.ts';

/** Which adapter to hold against the laws. */
export interface ContractOptions {
  /** Called once per law: empty repos of its own each time. */
  create(): Promise<ContractSubject> | ContractSubject;
  /**
   * Length of a lease that a law waits out, ms. Choose it well above the time that a few calls take, and small where
   * `advance` really waits (such as 300). Default: 10 000.
   */
  readonly leaseMs?: number;
  /** How long a law waits for `onWork` and `onChange` to tell what they must, ms of real time. Default: 2 000. */
  readonly noticeMs?: number;
  /**
   * Laws that this adapter need not keep, each with the reason. A key is the name of a law or of a family (which stands
   * for all its laws). An unknown key, or a reason without a word, throws `TypeError`: no law is skipped by accident.
   */
  readonly skip?: Readonly<Record<string, string>>;
}

/** One law, held against one adapter. */
export interface BoundLaw {
  readonly name: string;
  readonly family: LawFamily;
  /** Why it is not run; absent for a law that is. */
  readonly skipped?: string;
  /** Makes a subject, runs the law on it, disposes of it; rejects when the law is broken. Does nothing when skipped. */
  run(): Promise<void>;
}

/** What registers one test with a runner: `test` of vitest, jest or node:test. */
export interface TestFunction {
  (name: string, run: () => Promise<void>): unknown;
  /** Used for skipped laws where there is one. */
  readonly skip?: (name: string, run: () => Promise<void>) => unknown;
}

const DEFAULT_LEASE_MS = 10_000;
const DEFAULT_NOTICE_MS = 2_000;

/**
 * The laws of the three ports, ready to run on an adapter: for runners that `runContract` does not fit. Throws `TypeError`
 * for a wrong `skip`, `RangeError` for a wrong `leaseMs` or `noticeMs`.
 */
export function contractLaws(options: ContractOptions): readonly BoundLaw[] {
  const { leaseMs = DEFAULT_LEASE_MS, noticeMs = DEFAULT_NOTICE_MS, skip = {} } = options;
  if (!(Number.isInteger(leaseMs) && leaseMs >= 2)) {
    throw new RangeError(`leaseMs must be a whole number of at least 2 ms, not ${quote(leaseMs)}`);
  }
  if (!(noticeMs >= 0)) throw new RangeError(`noticeMs must be 0 ms or more, not ${quote(noticeMs)}`);
  checkSkips(skip);
  return allLaws.map((law) => {
    const { name, family } = law;
    const skipped = reasonOf(skip, name) ?? reasonOf(skip, family);
    if (skipped !== undefined) return { name, family, skipped, run: async () => {} };
    return {
      name,
      family,
      run: () => runOnce(options, async (subject) => law.run(new LawContext(subject, { leaseMs, noticeMs }))),
    };
  });
}

/**
 * Registers one test per law with a runner:
 *
 *     import { test } from 'vitest'; // or node:test, or the global of jest
 *     runContract({ test, create: async () => ({ repos: await myRepos(), dispose: dropThem }) });
 *
 * A skipped law is registered as skipped, with its reason in the name (under a runner without `test.skip`: as a test
 * that passes, named so). Throws as `contractLaws` does.
 */
export function runContract(options: ContractOptions & { readonly test: TestFunction }): void {
  const { test } = options;
  for (const { name, skipped, run } of contractLaws(options)) {
    if (skipped === undefined) test(name, () => run());
    else (test.skip ?? test)(`${name} (skipped: ${skipped})`, () => run());
  }
}

async function runOnce(
  options: ContractOptions,
  use: (subject: ContractSubject) => Promise<void>,
): Promise<void> {
  const subject = await options.create();
  try {
    await use(subject);
  } finally {
    await subject.dispose?.();
  }
}

function checkSkips(skip: Readonly<Record<string, string>>): void {
  for (const [key, reason] of Object.entries(skip)) {
    if (!allLaws.some(({ name, family }) => name === key || family === key)) {
      throw new TypeError(`skip names ${quote(key)}, which is neither a law nor a family of laws`);
    }
    if (typeof reason !== 'string' || reason.trim() === '') {
      throw new TypeError(`skip[${quote(key)}] must give a reason, not ${quote(reason)}`);
    }
  }
}

function reasonOf(skip: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(skip, key) ? skip[key] : undefined;
}
