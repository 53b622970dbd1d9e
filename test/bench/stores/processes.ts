/** What Linux tells of processes. Elsewhere nothing is known, and every figure is 0. */
import { readdirSync, readFileSync } from 'node:fs';

const MS_PER_TICK = 10;

interface Usage {
  readonly parent: number;
  readonly ownMs: number;
  /** Of children that have ended. */
  readonly endedMs: number;
}

function usageOf(pid: number): Usage | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold anything.
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const ticks = (...places: number[]): number => places.reduce((sum, n) => sum + (fields[n] ?? 0), 0);
    return {
      parent: fields[1] ?? 0,
      ownMs: ticks(11, 12) * MS_PER_TICK,
      endedMs: ticks(13, 14) * MS_PER_TICK,
    };
  } catch {
    return undefined;
  }
}

export function parentOf(pid: number): number {
  return usageOf(pid)?.parent ?? 0;
}

/** CPU time of a process and its children, those that have ended included. */
export function treeCpuMs(root: number): number {
  const whole = usageOf(root);
  if (whole === undefined) return 0;
  let sum = whole.ownMs + whole.endedMs;
  for (const name of readdirSync('/proc')) {
    const usage = /^\d+$/.test(name) ? usageOf(Number(name)) : undefined;
    if (usage?.parent === root) sum += usage.ownMs;
  }
  return sum;
}
