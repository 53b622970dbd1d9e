import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Pool, type PoolConfig } from 'pg';
import { freePort, type TestServer, unprivileged } from './server.ts';

/** A PgBouncer in transaction mode before a server. */
export interface Bouncer {
  readonly config: PoolConfig;
  dispose(): Promise<void>;
}

const PROGRAM = '/usr/sbin/pgbouncer';

/** Whether it is installed, as it is by Debian's package `pgbouncer`. */
export const hasPgBouncer: boolean = existsSync(PROGRAM);

/** Connections to the server: fewer than the tests have clients, so that a client meets another one at nearly every transaction. */
export const SERVER_CONNECTIONS = 4;

/** Starts one with a configuration of its own under /tmp. */
export async function startPgBouncer(server: TestServer): Promise<Bouncer> {
  const user = await unprivileged();
  const folder = await mkdtemp('/tmp/surehook-pgbouncer-');
  const file = join(folder, 'pgbouncer.ini');
  const port = await freePort();
  await writeFile(file, settings(server, port));
  if (user.uid !== undefined && user.gid !== undefined) await chown(folder, user.uid, user.gid);
  const child = spawn(PROGRAM, ['-q', file], { ...user, cwd: '/tmp', stdio: 'ignore' });
  const config = { ...server.config, port };
  await untilReady(config, () => child.exitCode === null);
  return {
    config,
    dispose: async () => {
      const ended = once(child, 'exit');
      if (child.exitCode === null && child.kill('SIGTERM')) await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function settings({ config }: TestServer, port: number): string {
  return `
[databases]
postgres = host=127.0.0.1 port=${config.port} user=postgres dbname=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${SERVER_CONNECTIONS}
max_client_conn = 100
`;
}

async function untilReady(config: PoolConfig, isRunning: () => boolean): Promise<void> {
  const pool = new Pool({ ...config, max: 1 });
  pool.on('error', () => {});
  for (let tries = 0; ; tries += 1) {
    try {
      await pool.query('SELECT 1');
      return await pool.end();
    } catch (error) {
      if (tries > 200 || !isRunning()) throw error;
      await wait(25);
    }
  }
}
