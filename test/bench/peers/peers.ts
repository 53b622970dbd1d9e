/** Contenders of ../shared/bench-peers, each run by the processes of its own, with its own servers, against the sink of this bench. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Pool } from 'pg';
import type { Run } from '../harness.ts';
import { whenInterrupted } from '../interruption.ts';
import type { Sink } from '../sink-handle.ts';
import type { Home } from '../stores/home.ts';
import { openWorkshop } from './workshop.ts';

/** What is used of its modules. */
interface Servers {
  startAll(): Promise<void>;
  stopAll(): Promise<void>;
  /** Seconds. */
  serverCpu(): Readonly<Record<'nginx' | 'redis' | 'postgres', number>>;
}
interface Config {
  readonly CONTENDERS: Readonly<Record<string, { readonly file: string; readonly cfg: object }>>;
}
interface Lib {
  readonly PORT: { readonly pg: number };
  readonly PG: { readonly database: string };
}

/** What one of its processes prints, as far as it is used; times in seconds, but for `perSec`. */
interface Output {
  readonly ok?: number;
  readonly cpu?: number;
  readonly rssMiB: number;
  readonly perSec?: number;
  readonly enqueuePerSec?: number;
}

/** In memory: they fill and drain in one process. */
const FILLS_ITSELF = /^[ab]-/;

export class Peers implements AsyncDisposable {
  readonly #folder: string;
  readonly #servers: Servers;
  readonly #contenders: Config['CONTENDERS'];
  readonly #lib: Lib;
  #runs = 0;
  #release: () => void = () => {};

  private constructor(
    folder: string,
    { servers, config, lib }: { servers: Servers; config: Config; lib: Lib },
  ) {
    this.#folder = folder;
    this.#servers = servers;
    this.#contenders = config.CONTENDERS;
    this.#lib = lib;
  }

  /** Starts the servers; rejects with `PeersMissing` where they cannot run. */
  static async open(): Promise<Peers> {
    const folder = await openWorkshop();
    const load = (name: string): Promise<unknown> => import(pathToFileURL(join(folder, name)).href);
    const servers = (await load('servers.mjs')) as Servers;
    const config = (await load('config.mjs')) as Config;
    const lib = (await load('lib.mjs')) as Lib;
    // It starts one of them by a path that is relative.
    const here = process.cwd();
    process.chdir(folder);
    const started = servers.startAll();
    process.chdir(here);
    const peers = new Peers(folder, { servers, config, lib });
    peers.#release = whenInterrupted(peers);
    await started;
    return peers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#release();
    await this.#servers.stopAll();
  }

  /** CPU time of the PostgreSQL and Redis servers. */
  cpuMs(): number {
    const { postgres, redis } = this.#servers.serverCpu();
    return (postgres + redis) * 1000;
  }

  /** A schema of its PostgreSQL server, for `use`. */
  async withSchema<T>(use: (home: Home) => Promise<T>): Promise<T> {
    this.#runs += 1;
    const [schema, { database }, port] = [`surehook_${this.#runs}`, this.#lib.PG, this.#lib.PORT.pg];
    try {
      return await use({ kind: 'schema', port, database, schema });
    } finally {
      const pool = new Pool({ host: '127.0.0.1', port, user: 'postgres', database, max: 1 });
      await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
      await pool.end();
    }
  }

  /** One process fills the backlog, and a fresh one drains it; the rate goes from the first arrival to the last. */
  async drain(key: string, events: number, sink: Sink): Promise<Run> {
    const contender = this.#contenders[key];
    if (contender === undefined) throw new RangeError(`The peers have no contender ${key}`);
    this.#runs += 1;
    const { file, cfg } = contender;
    const options = {
      cfg,
      tag: `s${process.pid}x${this.#runs}`,
      origin: sink.origin,
      n: events,
      how: 'bulk',
    };
    await this.#child(file, 'reset', options);
    const filled = FILLS_ITSELF.test(file) ? undefined : await this.#child(file, 'enqueue', options);
    await sink.reset([1, events]);
    const seen = Promise.all([sink.mark(1), sink.mark(events)]);
    const cpuBefore = this.cpuMs();
    const output = await this.#child(file, 'drain', options);
    const serverCpuMs = this.cpuMs() - cpuBefore;
    const marks = await seen;
    return {
      cpuMs: (output.cpu ?? 0) * 1000,
      peakMiB: output.rssMiB,
      heldMiB: 0,
      residentMiB: output.rssMiB,
      delivered: output.ok ?? 0,
      addedPerSecond: filled?.perSec ?? output.enqueuePerSec ?? 0,
      due: [],
      figures: {},
      startedAt: marks[0].at,
      serverCpuMs,
      marks,
      sink: await sink.report(false),
    };
  }

  async #child(file: string, mode: string, options: object): Promise<Output> {
    const argv = ['--disable-warning=ExperimentalWarning', 'child.mjs', file, mode, JSON.stringify(options)];
    const child = spawn(process.execPath, argv, { cwd: this.#folder, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (data) => {
      text += data;
    });
    const limit = setTimeout(() => child.kill('SIGKILL'), 120_000);
    const code = await new Promise((resolve) => child.on('close', resolve));
    clearTimeout(limit);
    if (code !== 0) throw new Error(`${file} ${mode} ended with ${code}`);
    return JSON.parse(text.trim().split('\n').at(-1) ?? '') as Output;
  }
}
