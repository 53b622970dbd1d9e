/** Packs the project as `npm publish` would, and installs the tarball into an empty project. */
import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** A project whose only dependency is the tarball. */
    readonly consumer: string;
    /** Every version of Node to try: `SUREHOOK_NODES` (paths, separated by `:`), else the one that runs this. */
    readonly nodes: readonly string[];
  }
}

export default function install(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'surehook-package-'));
  const npm = (cwd: string, ...args: string[]): string =>
    execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  npm(project.config.root, 'pack', '--pack-destination', folder);
  const consumer = join(folder, 'consumer');
  mkdirSync(consumer);
  writeFileSync(join(consumer, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  npm(consumer, 'install', '--prefer-offline', '--no-audit', '--no-fund', ...globSync(join(folder, '*.tgz')));
  project.provide('consumer', consumer);
  project.provide('nodes', process.env.SUREHOOK_NODES?.split(':') ?? [process.execPath]);
  return () => rmSync(folder, { recursive: true });
}
