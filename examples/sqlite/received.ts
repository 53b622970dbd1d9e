import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The receiver, in a process of its own. */
export interface Running {
  readonly url: string;
  close(): void;
}

/** Starts it at a free port of this machine. What it receives goes to the end of the file. */
export async function startReceiver(file: string): Promise<Running> {
  const child = fork(fileURLToPath(new URL('receiver.ts', import.meta.url)), [file]);
  const [url] = await once(child, 'message');
  return { url, close: () => child.disconnect() };
}

/** The orders that were received in all runs, and how many times one came again. */
export function readReceived(file: string): { received: Set<string>; again: number } {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  const received = new Set(lines);
  return { received, again: lines.length - received.size };
}
