import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** A worker in the eyes of the run. */
export class Worker {
  readonly name: string;
  readonly child: ChildProcess;
  readonly exited: Promise<unknown>;
  /** Resolves when it works. */
  readonly ready: Promise<void>;
  #tellReady: () => void = () => {};
  #isReady = false;
  /** Events that it said it would publish and did not say it had. */
  readonly unsure: Set<string> = new Set();
  stderr = '';
  /** The mark that it died at. */
  lastWords: string | undefined;
  isKilled = false;
  isAsked = false;
  /** Whether another one works in its place already. */
  hasStandIn = false;

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.child = child;
    this.exited = once(child, 'exit');
    this.ready = new Promise((resolve) => {
      this.#tellReady = resolve;
    });
    child.stderr?.on('data', (chunk) => {
      this.stderr = (this.stderr + chunk).slice(-2_000);
    });
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** It has said that it works. */
  isNowReady(): void {
    this.#isReady = true;
    this.#tellReady();
  }

  kill(): void {
    if (this.isAlive) this.isKilled = this.child.kill('SIGKILL');
  }

  /** Asks for a graceful stop. */
  ask(): void {
    this.isAsked = this.child.kill('SIGTERM');
  }

  /** How it ended. Asked before it listened, it ends by the signal itself. */
  get ending(): 'killed' | 'stopped' | 'failed' {
    const { exitCode, signalCode } = this.child;
    if (signalCode === 'SIGKILL' && (this.isKilled || this.lastWords !== undefined)) return 'killed';
    const hasStopped = exitCode === 0 || (signalCode === 'SIGTERM' && !this.#isReady);
    return this.isAsked && hasStopped ? 'stopped' : 'failed';
  }
}
