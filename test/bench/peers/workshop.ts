/** A copy of ../shared/bench-peers that can run: its packages are installed outside of this tree. */
import { execFile } from 'node:child_process';
import { access, cp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { debianBin } from '../../postgres/server.ts';

const run = promisify(execFile);
const INSTALL_WITHIN_MS = 180_000;
const SOURCE =
  process.env.SUREHOOK_BENCH_PEERS ??
  fileURLToPath(new URL('../../../../shared/bench-peers', import.meta.url));
/** What its servers are, and what starts them. */
const PROGRAMS = ['nginx', 'redis-server', 'runuser'];

/** What keeps the peers from running here. */
export class PeersMissing extends Error {}

/** The folder to run them in; rejects with `PeersMissing`. */
export async function openWorkshop(): Promise<string> {
  if (!(await exists(join(SOURCE, 'bench.mjs')))) throw new PeersMissing(`there is no ${SOURCE}`);
  if (process.getuid?.() !== 0) throw new PeersMissing('their servers are started by root');
  for (const program of PROGRAMS) {
    const folders = (process.env.PATH ?? '').split(delimiter).concat('/usr/sbin');
    const found = await Promise.all(folders.map((folder) => exists(join(folder, program))));
    if (!found.includes(true)) throw new PeersMissing(`${program} is not installed`);
  }
  if (!(await exists(join(debianBin, 'postgres'))))
    throw new PeersMissing(`there is no PostgreSQL in ${debianBin}`);
  return await installed();
}

async function installed(): Promise<string> {
  const folder = join(tmpdir(), 'surehook-bench-peers');
  if (!(await exists(join(folder, 'node_modules')))) {
    await cp(SOURCE, folder, { recursive: true, mode: 0 });
    const flags = ['install', '--no-audit', '--no-fund', '--no-package-lock', '--omit=dev'];
    await run('npm', flags, { cwd: folder, timeout: INSTALL_WITHIN_MS }).catch(() => {
      throw new PeersMissing(`npm install failed in ${folder}`);
    });
  }
  if ((await readdir(join(folder, 'node_modules'))).length === 0)
    throw new PeersMissing(`${folder} is empty`);
  return folder;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
