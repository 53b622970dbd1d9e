import { onTestFinished } from 'vitest';
import { createSurehook, type Repos, type Surehook, type SurehookOptions } from '../../src/index.ts';
import { type ScriptedTransport, scriptedTransport } from '../../src/testing/index.ts';

/** A process that delivers in real time, and whose endpoints answer well. */
export interface Worker {
  readonly surehook: Surehook;
  readonly transport: ScriptedTransport;
}

/** Starts one; it is stopped when the test ends. */
export async function workerOn(repos: Repos, options: Partial<SurehookOptions> = {}): Promise<Worker> {
  const transport = scriptedTransport();
  const surehook = createSurehook({ repos, transport, ...options });
  await surehook.start();
  onTestFinished(() => surehook.stop());
  return { surehook, transport };
}
