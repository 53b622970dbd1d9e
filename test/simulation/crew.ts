import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import type { Task, TaskResult } from './tasks.ts';

const WORKER = new URL('worker.ts', import.meta.url);

/** Shares work out among as many processes as there are cores. */
export class Crew {
  readonly #children: ChildProcess[];
  readonly #tasks: { readonly task: Task; readonly index: number }[];
  readonly #results: TaskResult[] = [];
  readonly #done: (result: TaskResult, task: Task) => void;

  /** @param done is told of each piece of work when it is done. */
  constructor(tasks: readonly Task[], done: (result: TaskResult, task: Task) => void = () => {}) {
    const count = Math.min(availableParallelism(), tasks.length);
    this.#tasks = tasks.map((task, index) => ({ task, index }));
    this.#done = done;
    this.#children = Array.from({ length: count }, () => fork(WORKER));
  }

  /** All of it; results are in the order of the tasks. Rejects when a process fails. */
  async work(): Promise<readonly TaskResult[]> {
    try {
      await Promise.all(this.#children.map((child) => this.#lead(child)));
      return this.#results;
    } finally {
      for (const child of this.#children) child.kill();
    }
  }

  async #lead(child: ChildProcess): Promise<void> {
    for (let next = this.#tasks.shift(); next !== undefined; next = this.#tasks.shift()) {
      const { task, index } = next;
      const result = task.kind === 'hunt' ? await huntApart(task) : await answerOf(child, task);
      this.#results[index] = result;
      this.#done(result, task);
    }
  }
}

/** A planted bug needs a process that has not loaded the engine yet, and nobody else's. */
async function huntApart(task: Task & { kind: 'hunt' }): Promise<TaskResult> {
  const child = fork(WORKER, { env: { ...process.env, SIMULATION_MUTANT: task.mutant } });
  try {
    return await answerOf(child, task);
  } finally {
    child.kill();
  }
}

function answerOf(child: ChildProcess, task: Task): Promise<TaskResult> {
  return new Promise((resolve, reject) => {
    const failed = (code: number | null): void =>
      reject(new Error(`a worker ended with ${code} at ${JSON.stringify(task)}`));
    child.once('exit', failed);
    child.once('message', (result) => {
      child.off('exit', failed);
      resolve(result as TaskResult);
    });
    child.send(task);
  });
}
