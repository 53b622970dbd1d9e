/** What the checks do in the project that has the tarball installed. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';

const CONSUMER: string = inject('consumer');
const ROOT: string = process.cwd();

/** The installed package. */
export const INSTALLED: string = join(CONSUMER, 'node_modules', 'surehook');
export const NODE_MODULES: string = join(CONSUMER, 'node_modules');
export const NODES: readonly string[] = inject('nodes');

interface Manifest {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}

export function manifest(): Manifest {
  return JSON.parse(readFileSync(join(INSTALLED, 'package.json'), 'utf8')) as Manifest;
}

/** What can be imported: `surehook`, `surehook/testing`, and so on. */
export function entries(): string[] {
  return Object.keys(manifest().exports)
    .filter((name) => name !== './package.json')
    .map((name) => `surehook${name.slice(1)}`);
}

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a file of that text in the consumer's project. */
export function runFile(node: string, name: string, text: string): Outcome {
  return run(node, [writeFile(name, text)]);
}

/** Type-checks a file of that text as strictly as can be, the package's declarations included. */
export function typeCheck(name: string, text: string, options: Readonly<Record<string, unknown>>): Outcome {
  const file = writeFile(name, text);
  const project = join(file, '..', 'tsconfig.json');
  const compilerOptions = {
    strict: true,
    module: 'nodenext',
    target: 'es2024',
    skipLibCheck: false,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noEmit: true,
    typeRoots: [join(ROOT, 'node_modules', '@types')],
    ...options,
  };
  writeFileSync(project, JSON.stringify({ compilerOptions, files: [file] }));
  return run(process.execPath, [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', project]);
}

/** Each file gets a folder of its own, below the installed node_modules. */
function writeFile(name: string, text: string): string {
  const folder = join(CONSUMER, name.replace(/\W/g, '-'));
  mkdirSync(folder, { recursive: true });
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

function run(node: string, args: readonly string[]): Outcome {
  const { status, stdout, stderr, error } = spawnSync(node, args, {
    cwd: CONSUMER,
    encoding: 'utf8',
    timeout: 50_000,
    env: { PATH: process.env.PATH, HOME: process.env.HOME },
  });
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}
