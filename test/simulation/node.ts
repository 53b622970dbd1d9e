import type { Surehook } from '../../src/index.ts';
import type { Life, Machine } from './life.ts';

/** One machine: its clock, and the process that runs on it. */
export class Node implements Machine {
  readonly name: string;
  skewMs: number;
  lives = 0;
  /** Undefined while no process runs. */
  current: { readonly life: Life; readonly surehook: Surehook } | undefined;
  /** Counts pauses and jumps: tells whether time was disturbed between two looks. */
  disturbances = 0;

  constructor(name: string, skewMs: number) {
    this.name = name;
    this.skewMs = skewMs;
  }

  /** The process, if it is one that can act now. */
  get awake(): { readonly life: Life; readonly surehook: Surehook } | undefined {
    return this.current?.life.isPaused ? undefined : this.current;
  }
}
