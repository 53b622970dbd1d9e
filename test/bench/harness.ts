/** Runs the sink, the servers, and measured processes. */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { end, forkMeasured, sum } from './children.ts';
import { whenInterrupted } from './interruption.ts';
import type {
  ChildResult,
  ContenderName,
  FeedTask,
  FillTask,
  HangTask,
  HistoryTask,
  LooksTask,
  Mark,
  ModesTask,
  PacedTask,
  PublishTask,
  ReplayTask,
  SinkReport,
  StoreName,
  Task,
} from './protocol.ts';
import { Sink } from './sink-handle.ts';
import type { Home } from './stores/home.ts';
import { Homes } from './stores/homes.ts';
import { finish, go, prepare, published, withLimit, worked } from './talk.ts';

/** One run of one contender, all its processes together. */
export interface Run extends ChildResult {
  readonly startedAt: number;
  /** CPU time of the database server meanwhile. */
  readonly serverCpuMs: number;
  readonly marks: readonly Mark[];
  readonly sink: SinkReport;
}

/** Processes that drain one backlog after another. */
export interface Drainer extends Disposable {
  round(): Promise<Run>;
}

export interface FeedRun {
  readonly contender: StoreName;
  readonly task: FeedTask | ReplayTask;
  /** The run ends when so many distinct events have arrived; it is measured from the first of these to the last. */
  readonly marks: readonly number[];
  /** A store that was filled before; absent: an empty one. */
  readonly home?: Home | undefined;
}

export interface FreshDrain {
  readonly events: number;
  /** An empty store; absent: a new one. */
  readonly home?: Home;
  /** Where the server is not that of the bench: what it has used so far. */
  readonly serverCpuMs?: () => number;
}

export class Bench implements AsyncDisposable {
  readonly sink: Sink;
  readonly #homes = new Homes();
  readonly #release: () => void;

  private constructor(sink: Sink) {
    this.sink = sink;
    this.#release = whenInterrupted(this);
  }

  static async open(): Promise<Bench> {
    return new Bench(await Sink.open());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#release();
    this.sink[Symbol.dispose]();
    await this.#homes[Symbol.asyncDispose]();
  }

  /** Processes that live until they are disposed of and drain one backlog per call: they take turns, cold once and then warm. */
  drainer(contender: ContenderName, events: number, processes: number = 1): Drainer {
    const job = { contender, origin: this.sink.origin, task: { mode: 'drain', events } } as const;
    const children = Array.from({ length: processes }, () => forkMeasured(job));
    return {
      round: () =>
        this.#withHome(contender, async (home) => {
          // One of them fills the store that all share.
          for (const [n, child] of children.entries()) await prepare(child, home, n === 0);
          return await this.#drained(children, [events]);
        }),
      [Symbol.dispose]: () => {
        for (const child of children) end(child);
      },
    };
  }

  /** One fresh process fills a backlog, and another drains it. */
  drainFresh(contender: StoreName, { events, home, serverCpuMs }: FreshDrain): Promise<Run> {
    const job = { contender, task: { mode: 'drain', events } } as const;
    const drain = async (in_: Home | undefined): Promise<Run> => {
      const addedPerSecond = await this.#withChild(job, (child) => prepare(child, in_, true));
      return await this.#withChild(job, async (child) => {
        await prepare(child, in_, false);
        const run = await this.#drained([child], [1, events], serverCpuMs);
        return { ...run, addedPerSecond };
      });
    };
    return home === undefined ? this.#withHome(contender, drain) : drain(home);
  }

  /** A fresh process that keeps a backlog as it is. */
  feed({ contender, task, marks, home }: FeedRun): Promise<Run> {
    const run = (in_: Home | undefined): Promise<Run> =>
      this.#withChild({ contender, task }, async (child) => {
        await prepare(child, in_, !task.filled);
        return await this.#drained([child], marks);
      });
    return home === undefined ? this.#withHome(contender, run) : run(home);
  }

  /** A fresh process that publishes; each event gets `graceMs` to arrive after the last was published. */
  publish(
    contender: StoreName,
    task: HangTask | PacedTask | PublishTask | ModesTask,
    graceMs: number,
  ): Promise<Run> {
    return this.#withHome(contender, (home) =>
      this.#withChild({ contender, task }, async (child) => {
        await this.sink.reset([]);
        await prepare(child, home, true);
        const serverCpuBefore = this.#homes.serverCpuMs();
        const done = published(child);
        const startedAt = await go(child);
        await done;
        const serverCpuMs = this.#homes.serverCpuMs() - serverCpuBefore;
        await wait(graceMs);
        const result = await finish(child);
        return { ...result, startedAt, serverCpuMs, marks: [], sink: await this.sink.report(true) };
      }),
    );
  }

  /** A fresh process that looks at a filled store. */
  look(contender: StoreName, task: LooksTask, home: Home | undefined): Promise<ChildResult> {
    return this.#withChild({ contender, task }, async (child) => {
      await prepare(child, home, false);
      return await worked(child);
    });
  }

  /** A store that another process has filled; to be removed with `remove`. */
  async filled(
    contender: StoreName,
    task: FillTask | HistoryTask,
  ): Promise<{ home: Home | undefined; perSecond: number }> {
    const home = await this.#homes.make(contender);
    return await this.#withChild({ contender, task }, async (child) => {
      await prepare(child, home, true);
      const { addedPerSecond } = await worked(child);
      await this.#homes.settle(home);
      return { home, perSecond: addedPerSecond };
    });
  }

  remove(home: Home | undefined): Promise<void> {
    return this.#homes.remove(home);
  }

  async #withHome(contender: ContenderName, use: (home: Home | undefined) => Promise<Run>): Promise<Run> {
    const home = await this.#homes.make(contender);
    try {
      return await use(home);
    } finally {
      await this.#homes.remove(home);
    }
  }

  async #withChild<T>(
    { contender, task }: { readonly contender: ContenderName; readonly task: Task },
    use: (child: ChildProcess) => Promise<T>,
  ): Promise<T> {
    const child = forkMeasured({ contender, origin: this.sink.origin, task });
    try {
      return await use(child);
    } finally {
      end(child);
    }
  }

  /** Starts processes that are ready, and waits for the last mark. */
  async #drained(
    children: readonly ChildProcess[],
    marks: readonly number[],
    serverCpu: () => number = () => this.#homes.serverCpuMs(),
  ): Promise<Run> {
    await this.sink.reset(marks);
    const serverCpuBefore = serverCpu();
    const seen = Promise.all(marks.map((mark) => this.sink.mark(mark)));
    const startedAt = Math.min(...(await Promise.all(children.map(go))));
    const [at = []] = await Promise.all(children.map((child) => withLimit(seen, child)));
    const serverCpuMs = serverCpu() - serverCpuBefore;
    const result = sum(await Promise.all(children.map(finish)));
    return { ...result, startedAt, serverCpuMs, marks: at, sink: await this.sink.report(false) };
  }
}
