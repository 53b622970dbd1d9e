import type { Bench } from './harness.ts';

/** One line of what was found. */
export interface Row {
  readonly what: string;
  readonly measured: string;
  /** What it should come to; absent where a row only informs. */
  readonly aim?: string;
  readonly met?: boolean;
}

export interface Plan {
  /** How often each case runs, in turn with the others. */
  readonly reps: number;
  /** The same for cases whose processes live on. */
  readonly rounds: number;
  /** Rounds before those, in which they get warm. */
  readonly warmUps: number;
  /** 1, or less for a quick look that proves nothing. */
  readonly scale: number;
}

/** What is measured, and what it should come to (design: performance). */
export type Scenario = (bench: Bench, plan: Plan) => Promise<Row[]>;
