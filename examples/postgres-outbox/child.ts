import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Another process of this example. */
export class Child {
  /** The last that it told. */
  said = '';
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#process = child;
    child.on('message', (text) => {
      this.said = String(text);
    });
  }

  /** Resolves once it has told something. Ctrl-C does not reach it: it ends when it is told to, or with this process. */
  static async start(file: URL, databaseUrl: string = ''): Promise<Child> {
    const env = { ...process.env, DATABASE_URL: databaseUrl };
    const child = fork(fileURLToPath(file), { env, detached: true });
    const started = new Child(child);
    const [what] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
    if (typeof what !== 'string') throw new Error(`${file} did not start`);
    return started;
  }

  /** Lets it finish what it is doing. */
  async stop(): Promise<void> {
    if (!this.#process.connected) return;
    const ended = once(this.#process, 'exit');
    this.#process.send('stop');
    await ended;
  }
}
