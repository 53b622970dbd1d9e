/** The process that answers, seen from the bench. */
import { type ChildProcess, fork } from 'node:child_process';
import type { Mark, SinkCommand, SinkReply, SinkReport } from './protocol.ts';
import { answer } from './talk.ts';

export class Sink implements Disposable {
  readonly origin: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.origin = `http://127.0.0.1:${port}`;
  }

  static async open(): Promise<Sink> {
    const child = fork(new URL('sink.ts', import.meta.url));
    const { port } = await answer<SinkReply, { port: number }>(child, (reply) => 'port' in reply);
    return new Sink(child, port);
  }

  [Symbol.dispose](): void {
    this.#child.kill();
  }

  /** Forgets everything. */
  async reset(marks: readonly number[]): Promise<void> {
    await this.#ask<{ reset: true }>({ do: 'reset', marks }, (reply) => 'reset' in reply);
  }

  /** When so many distinct events had arrived. */
  mark(mark: number): Promise<Mark> {
    return answer<SinkReply, Mark>(this.#child, (reply) => 'mark' in reply && reply.mark === mark);
  }

  async report(withArrivals: boolean): Promise<SinkReport> {
    const { report } = await this.#ask<{ report: SinkReport }>(
      { do: 'report', withArrivals },
      (reply) => 'report' in reply,
    );
    return report;
  }

  #ask<T extends SinkReply>(command: SinkCommand, match: (reply: SinkReply) => boolean): Promise<T> {
    const replied = answer<SinkReply, T>(this.#child, match);
    this.#child.send(command);
    return replied;
  }
}
