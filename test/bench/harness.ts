/** Runs the sink and one measured process at a time. */
import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import type {
  ChildCommand,
  ChildReply,
  ChildResult,
  Mark,
  SinkCommand,
  SinkReply,
  SinkReport,
  Task,
} from './protocol.ts';

const LIMIT_MS = 120_000;

export interface Run extends ChildResult {
  readonly startedAt: number;
  readonly marks: readonly Mark[];
  readonly sink: SinkReport;
}

/** A task without the parts that the bench knows. */
type WithoutOrigin<T> = T extends unknown ? Omit<T, 'origin'> : never;

export interface RunOptions {
  /** The run ends when this many distinct events have arrived (the last mark). */
  readonly marks: readonly number[];
}

/** A process that drains one backlog after another. */
export interface Drainer extends Disposable {
  round(): Promise<Run>;
}

export class Bench implements AsyncDisposable {
  readonly #sink: ChildProcess;
  readonly #origin: string;

  private constructor(sink: ChildProcess, port: number) {
    this.#sink = sink;
    this.#origin = `http://127.0.0.1:${port}`;
  }

  static async open(): Promise<Bench> {
    const sink = fork(new URL('sink.ts', import.meta.url));
    const { port } = await answer<SinkReply, { port: number }>(sink, (reply) => 'port' in reply);
    return new Bench(sink, port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sink.kill();
  }

  /** One task in a fresh process, until the sink has seen the last mark. */
  run(task: WithoutOrigin<Task>, { marks }: RunOptions): Promise<Run> {
    return this.#withChild(task, async (child) => {
      await this.#reset(marks);
      await ready(child);
      return await this.#drained(child, marks);
    });
  }

  /** Processes that live until they are disposed of and drain one backlog per call: they take turns, cold once and then warm. */
  drainer(contender: Task['contender'], events: number): Drainer {
    const child = this.#fork({ contender, mode: 'drain', events });
    return {
      round: async () => {
        await this.#reset([events]);
        const isReady = ready(child);
        command(child, 'prepare');
        await isReady;
        return await this.#drained(child, [events]);
      },
      [Symbol.dispose]: () => void child.kill('SIGKILL'),
    };
  }

  /** One task of mode `latency`; each event gets `graceMs` to arrive after the last was published. */
  runLatency(task: WithoutOrigin<Task>, graceMs: number): Promise<Run> {
    return this.#withChild(task, async (child) => {
      await this.#reset([]);
      await ready(child);
      const published = answer<ChildReply, { published: true }>(child, (reply) => 'published' in reply);
      const startedAt = await go(child);
      await withLimit(published, child);
      await wait(graceMs);
      const result = await finish(child);
      return { ...result, startedAt, marks: [], sink: await this.#report(true) };
    });
  }

  async #withChild(task: WithoutOrigin<Task>, use: (child: ChildProcess) => Promise<Run>): Promise<Run> {
    const child = this.#fork(task);
    try {
      return await use(child);
    } finally {
      child.kill('SIGKILL');
    }
  }

  #fork(task: WithoutOrigin<Task>): ChildProcess {
    const argument = JSON.stringify({ ...task, origin: this.#origin });
    return fork(new URL('measured.ts', import.meta.url), [argument], { execArgv: ['--expose-gc'] });
  }

  /** Starts a process that is ready, and waits for the last mark. */
  async #drained(child: ChildProcess, marks: readonly number[]): Promise<Run> {
    const seen = Promise.all(marks.map((mark) => this.#mark(mark)));
    const startedAt = await go(child);
    const at = await withLimit(seen, child);
    const result = await finish(child);
    return { ...result, startedAt, marks: at, sink: await this.#report(false) };
  }

  async #reset(marks: readonly number[]): Promise<void> {
    await this.#ask<{ reset: true }>({ do: 'reset', marks }, (reply) => 'reset' in reply);
  }

  #mark(mark: number): Promise<Mark> {
    return answer<SinkReply, Mark>(this.#sink, (reply) => 'mark' in reply && reply.mark === mark);
  }

  async #report(withArrivals: boolean): Promise<SinkReport> {
    const { report } = await this.#ask<{ report: SinkReport }>(
      { do: 'report', withArrivals },
      (reply) => 'report' in reply,
    );
    return report;
  }

  #ask<T extends SinkReply>(command: SinkCommand, match: (reply: SinkReply) => boolean): Promise<T> {
    const replied = answer<SinkReply, T>(this.#sink, match);
    this.#sink.send(command);
    return replied;
  }
}

async function ready(child: ChildProcess): Promise<void> {
  await withLimit(
    answer<ChildReply, { ready: true }>(child, (reply) => 'ready' in reply),
    child,
  );
}

async function go(child: ChildProcess): Promise<number> {
  const started = answer<ChildReply, { startedAt: number }>(child, (reply) => 'startedAt' in reply);
  command(child, 'go');
  return (await started).startedAt;
}

async function finish(child: ChildProcess): Promise<ChildResult> {
  const ended = answer<ChildReply, { result: ChildResult }>(child, (reply) => 'result' in reply);
  command(child, 'finish');
  return (await ended).result;
}

function command(child: ChildProcess, what: ChildCommand): void {
  child.send(what);
}

/** The next message of that kind; rejects when the process ends first, or when `signal` says that nobody waits any more. */
function answer<Reply, T extends Reply>(
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
async function withLimit<T>(work: Promise<T>, child: ChildProcess): Promise<T> {
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
