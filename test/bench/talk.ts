/** Messages to and from the processes of the bench. */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import type { ChildCommand, ChildReply, ChildResult } from './protocol.ts';
import type { Home } from './stores/home.ts';

/** Filling a store with a million deliveries takes a minute. */
const LIMIT_MS = 240_000;

/** Has a process open its store, and fill it or not; resolves when it could start, with how many events a second it stored. */
export async function prepare(child: ChildProcess, home: Home | undefined, fill: boolean): Promise<number> {
  const isReady = answer<ChildReply, { ready: true; addedPerSecond: number }>(
    child,
    (reply) => 'ready' in reply,
  );
  command(child, { do: 'prepare', home, fill });
  return (await withLimit(isReady, child)).addedPerSecond;
}

/** Resolves with the instant of the start. */
export async function go(child: ChildProcess): Promise<number> {
  const started = answer<ChildReply, { startedAt: number }>(child, (reply) => 'startedAt' in reply);
  command(child, { do: 'go' });
  return (await started).startedAt;
}

/** Resolves when a process has published all that it was to. */
export async function published(child: ChildProcess): Promise<void> {
  await withLimit(
    answer<ChildReply, { published: true }>(child, (reply) => 'published' in reply),
    child,
  );
}

/** Has a process that is ready do its work, and ends it. */
export async function worked(child: ChildProcess): Promise<ChildResult> {
  const done = published(child);
  await go(child);
  await done;
  return await finish(child);
}

export async function finish(child: ChildProcess): Promise<ChildResult> {
  const ended = answer<ChildReply, { result: ChildResult }>(child, (reply) => 'result' in reply);
  command(child, { do: 'finish' });
  return (await withLimit(ended, child)).result;
}

function command(child: ChildProcess, what: ChildCommand): void {
  child.send(what);
}

/** The next message of that kind; rejects when the process ends first, or when `signal` says that nobody waits any more. */
export function answer<Reply, T extends Reply>(
  child: ChildProcess,
  match: (reply: Reply) => boolean,
  signal?: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const hear = (reply: unknown): void => {
      if (!match(reply as Reply)) return;
      stop();
      resolve(reply as T);
    };
    const fail = (code: number | null, reason: string | null): void => {
      stop();
      reject(new Error(`${child.spawnargs.slice(1).join(' ')} ended with ${code ?? reason}`));
    };
    const stop = (): void => {
      child.off('message', hear).off('exit', fail);
    };
    child.on('message', hear).on('exit', fail);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** Rejects when the process ends, or takes too long, before the work is done. */
export async function withLimit<T>(work: Promise<T>, child: ChildProcess): Promise<T> {
  const stop = new AbortController();
  const { signal } = stop;
  const ended = answer<ChildReply, never>(child, () => false, signal);
  const late = wait(LIMIT_MS, undefined, { signal }).then(() => {
    throw new Error(`Not done within ${LIMIT_MS} ms`);
  });
  late.catch(() => {});
  ended.catch(() => {});
  try {
    return await Promise.race([work, late, ended]);
  } finally {
    stop.abort();
  }
}
