import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Random } from '../../src/index.ts';
import { drawFate, type Fate } from './fate.ts';
import { STOP_DEADLINE_MS, type WorkerMessage, type WorkerTask } from './protocol.ts';
import { Worker } from './worker-process.ts';

/** What happened to workers. */
export interface CrewCounts {
  kills: number;
  /** Kills by the place that a worker had marked for itself, or by chance. */
  readonly byPlace: Map<string, number>;
  stops: number;
  sleeps: number;
  /** Outcomes that graceful stops could not store. */
  unstored: number;
  /** Errors that workers reported, by their code. */
  readonly errors: Map<string, number>;
}

/** What the crew is told by whoever runs it. */
export interface CrewParts {
  readonly task: Omit<WorkerTask, 'name' | 'mark'>;
  readonly random: Random;
  /** Where workers keep their compiled code: they start in a third of the time. */
  readonly cache: string;
  /** What went against the rules. */
  readonly violation: (message: string) => void;
}

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));
/** How much longer than its deadline a graceful stop may take on a busy machine, beyond the second that it promises, ms. */
const STOP_SLACK_MS = 3_000;

/** Processes that work and die: whoever dies is replaced at once. */
export class Crew {
  readonly counts: CrewCounts = {
    kills: 0,
    byPlace: new Map(),
    stops: 0,
    sleeps: 0,
    unstored: 0,
    errors: new Map(),
  };
  /** Ids of events that a worker published and knew it. */
  readonly acknowledged: Set<string> = new Set();
  /** Ids of events of which no one knows whether they were stored. */
  readonly unsure: Set<string> = new Set();
  readonly #parts: CrewParts;
  readonly #workers = new Set<Worker>();
  #isCalm = false;
  #isOver = false;
  #born = 0;

  constructor(parts: CrewParts) {
    this.#parts = parts;
  }

  /** Begins with so many at a time. */
  start(size: number): void {
    for (let n = 0; n < size; n += 1) void this.#live();
  }

  /** From now on nobody dies, and nobody publishes: whoever works goes on. */
  calm(): void {
    this.#isCalm = true;
    for (const { child } of this.#workers) if (child.connected) child.send('calm', () => {});
  }

  /** Asks all to stop and waits until they have. */
  async stop(): Promise<void> {
    this.#isOver = true;
    const workers = [...this.#workers];
    await Promise.all(workers.map((worker) => this.#ask(worker)));
  }

  /** Ends every process at once, asleep or awake. */
  killAll(): void {
    this.#isOver = true;
    for (const worker of this.#workers) worker.kill();
  }

  /** One worker's life, and then its successor's. */
  async #live(): Promise<void> {
    const fate = drawFate(this.#parts.random);
    const worker = this.#spawn(fate);
    const met = this.#meet(worker, fate);
    await worker.exited;
    this.#bury(worker);
    if (!this.#isOver && !worker.hasStandIn) void this.#live();
    await met;
  }

  async #meet(worker: Worker, fate: Fate): Promise<void> {
    // Some are killed while they are still starting.
    if (fate.kind !== 'killed') await Promise.race([worker.ready, worker.exited]);
    await this.#leaveAlone(worker, fate.afterMs);
    if (!worker.isAlive || this.#isCalm) return;
    switch (fate.kind) {
      case 'killed':
      case 'marked':
        worker.kill();
        return;
      case 'asked-to-stop':
        await this.#ask(worker);
        return;
      case 'put-to-sleep':
        await this.#putToSleep(worker, fate.forMs);
        await this.#leaveAlone(worker, fate.killedAfterMs);
        if (!this.#isCalm) worker.kill();
    }
  }

  /** Resolves after that time, or as soon as it is dead. */
  async #leaveAlone(worker: Worker, forMs: number): Promise<void> {
    await Promise.race([wait(forMs, undefined, { ref: false }), worker.exited]);
  }

  /** A shell does it, which wakes the worker even if this process dies meanwhile. */
  async #putToSleep(worker: Worker, forMs: number): Promise<void> {
    const { pid } = worker.child;
    worker.hasStandIn = true;
    void this.#live();
    this.counts.sleeps += 1;
    const script = `kill -STOP ${pid}; sleep ${forMs / 1000}; kill -CONT ${pid}`;
    await once(spawn('sh', ['-c', script], { stdio: 'ignore' }), 'exit');
  }

  /** Asks for a graceful stop, which has to come in time. */
  async #ask(worker: Worker): Promise<void> {
    if (!worker.isAlive) return;
    worker.ask();
    this.counts.stops += 1;
    await this.#leaveAlone(worker, STOP_DEADLINE_MS + 1_000 + STOP_SLACK_MS);
    if (!worker.isAlive) return;
    this.#parts.violation(`worker ${worker.name} did not stop in time`);
    worker.kill();
  }

  /** Counts how it ended. */
  #bury(worker: Worker): void {
    const { name, child, lastWords = 'at random', stderr, ending } = worker;
    this.#workers.delete(worker);
    for (const id of worker.unsure) this.unsure.add(id);
    if (ending === 'killed') {
      this.counts.kills += 1;
      this.counts.byPlace.set(lastWords, (this.counts.byPlace.get(lastWords) ?? 0) + 1);
    } else if (ending === 'failed') {
      this.#parts.violation(`worker ${name} ended with ${child.signalCode ?? child.exitCode}: ${stderr}`);
    }
  }

  #spawn(fate: Fate): Worker {
    this.#born += 1;
    const name = `w${this.#born}`;
    const mark = fate.kind === 'marked' ? { mark: fate.mark } : {};
    const task: WorkerTask = { ...this.#parts.task, name, ...mark };
    const child = fork(WORKER, [JSON.stringify(task)], {
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      env: { ...process.env, NODE_COMPILE_CACHE: this.#parts.cache, NODE_NO_WARNINGS: '1' },
    });
    const worker = new Worker(name, child);
    this.#workers.add(worker);
    child.on('message', (message) => this.#told(worker, message as WorkerMessage));
    return worker;
  }

  #told(worker: Worker, message: WorkerMessage): void {
    const { errors } = this.counts;
    switch (message.kind) {
      case 'ready':
        worker.isNowReady();
        if (this.#isCalm) worker.child.send('calm', () => {});
        break;
      case 'publishing':
        worker.unsure.add(message.id);
        break;
      case 'published':
        worker.unsure.delete(message.id);
        this.acknowledged.add(message.id);
        break;
      case 'dying':
        worker.lastWords = message.mark;
        break;
      case 'error':
        errors.set(message.code, (errors.get(message.code) ?? 0) + 1);
        if (message.code !== 'storage') {
          this.#parts.violation(`worker ${worker.name} reports ${message.code}: ${message.message}`);
        }
        break;
      case 'stopped':
        this.counts.unstored += message.claimed;
        break;
    }
  }
}
