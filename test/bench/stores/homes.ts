/** Makes and removes the stores of a run: files in one folder, schemas of one PostgreSQL server that starts when it is first needed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContenderName } from '../protocol.ts';
import type { Home } from './home.ts';
import { type BenchServer, startBenchServer } from './postgres-server.ts';

export class Homes implements AsyncDisposable {
  #folder: string | undefined;
  #server: BenchServer | undefined;
  #made = 0;

  /** An empty one for that contender; undefined where it stores nothing outside of its process. */
  async make(contender: ContenderName): Promise<Home | undefined> {
    this.#made += 1;
    switch (contender) {
      case 'limit':
      case 'limit-crypto':
      case 'memory':
        return undefined;
      case 'sqlite':
      case 'sqlite-full':
        this.#folder ??= await mkdtemp(join(tmpdir(), 'surehook-bench-'));
        return { kind: 'file', path: join(this.#folder, `${this.#made}.db`) };
      case 'postgres': {
        this.#server ??= await startBenchServer();
        return {
          kind: 'schema',
          port: this.#server.port,
          database: 'postgres',
          schema: `bench_${this.#made}`,
        };
      }
    }
  }

  async remove(home: Home | undefined): Promise<void> {
    if (home?.kind === 'schema') await this.#server?.run(`DROP SCHEMA IF EXISTS ${home.schema} CASCADE`);
    if (home?.kind !== 'file') return;
    for (const end of ['', '-wal', '-shm']) await rm(home.path + end, { force: true });
  }

  /** Does now what a server would do in the minutes after a backlog was filled. */
  async settle(home: Home | undefined): Promise<void> {
    if (home?.kind !== 'schema') return;
    await this.#server?.run('VACUUM (ANALYZE)');
    await this.#server?.run('CHECKPOINT');
  }

  /** What servers have used so far. */
  serverCpuMs(): number {
    return this.#server?.cpuMs() ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.dispose();
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }
}
