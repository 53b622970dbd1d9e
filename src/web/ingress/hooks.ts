/** The host's code, as an ingress handler runs it: bounded in time, and what it answers is looked at. */
import type { Clock } from '../../clock.ts';
import { plainObject, stringIn } from '../../domain/check.ts';
import { instantOf } from '../../domain/instant.ts';
import { HostCodeError, quote } from '../../errors.ts';
import { inTime } from '../../publish/host-code.ts';
import type { Verified } from './message.ts';

const HOOK_TIMEOUT_MS = 10_000;

/** One call of a hook. */
interface HookCall<T> {
  /** Such as `verify`. */
  readonly part: string;
  readonly call: () => unknown;
  /** Throws where the answer is none that the hook may give. */
  readonly read: (answer: unknown) => T;
}

/** Rejects with `HostCodeError` where the hook throws, breaks its contract, or has not answered within 10 s. */
export async function runHook<T>(clock: Clock, { part, call, read }: HookCall<T>): Promise<T> {
  const work = async (): Promise<T> => read(await call());
  try {
    return await inTime(work(), { part, clock, timeoutMs: HOOK_TIMEOUT_MS });
  } catch (cause) {
    throw cause instanceof HostCodeError ? cause : new HostCodeError(part, { cause });
  }
}

/** Reads what a verifier answered; `false` for what is not genuine. */
export function readVerified(answer: unknown): Verified | false {
  if (answer === false) return false;
  if (answer === true) return {};
  const keys = ['id', 'type', 'timestamp', 'source'] as const;
  const { id, type, timestamp, source } = plainObject('the answer', answer, { keys, path: '' });
  if (timestamp !== undefined) instantOf('timestamp', timestamp);
  if (source !== undefined) stringIn('source', source, { max: 256 });
  return { id: readText(id), type: readText(type), timestamp, source } as Verified;
}

/** A text of the sender's, or nothing. */
export function readText(answer: unknown): string | undefined {
  if (answer === undefined || (typeof answer === 'string' && answer !== '')) return answer;
  throw new TypeError(`a text or undefined was expected, not ${quote(answer)}`);
}
