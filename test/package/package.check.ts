import { existsSync, globSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { entries, INSTALLED, manifest, NODE_MODULES, NODES, runFile, typeCheck } from './consumer.ts';

const LARGEST_INSTALL_BYTES = 3_200_000;

function files(pattern: string): string[] {
  return globSync(pattern, { cwd: INSTALLED })
    .map((path) => path.replaceAll('\\', '/'))
    .sort();
}

describe('the tarball', () => {
  it('holds the built files, the README and the license, and nothing else', () => {
    const others = files('**/*').filter(
      (path) => lstatSync(join(INSTALLED, path)).isFile() && !/^dist\/.+\.(js|d\.ts)$/.test(path),
    );
    expect(others).toEqual(['LICENSE', 'README.md', 'package.json']);
  });

  it('has a module for every declaration, and no declaration that nobody can import', () => {
    const modules = files('dist/**/*.js').map((path) => path.replace(/\.js$/, ''));
    const declarations = files('dist/**/*.d.ts').map((path) => path.replace(/\.d\.ts$/, ''));
    expect(modules).toEqual(expect.arrayContaining(declarations));
    expect(declarations).toEqual(expect.arrayContaining(['dist/index', 'dist/repos', 'dist/web/index']));
    expect(declarations).not.toContain('dist/dispatcher/dispatcher');
  });

  it('exports nothing that was not built', () => {
    const targets = Object.values(manifest().exports).flatMap((target) =>
      typeof target === 'string' ? [target] : Object.values(target),
    );
    expect(targets).toContain('./dist/index.js');
    expect(targets.filter((target) => !existsSync(join(INSTALLED, target)))).toEqual([]);
  });

  it(`installs, with its dependencies, in less than ${LARGEST_INSTALL_BYTES} bytes`, () => {
    const all = readdirSync(NODE_MODULES, { encoding: 'utf8', recursive: true });
    const bytes = all.reduce((sum, path) => sum + lstatSync(join(NODE_MODULES, path)).size, 0);
    expect(bytes).toBeGreaterThan(100_000);
    expect(bytes).toBeLessThan(LARGEST_INSTALL_BYTES);
  });
});

/** Node 22 warns of its own `node:sqlite`, whoever imports it; nothing else may be printed. */
function withoutNodesWarning(entry: string, stderr: string): string {
  if (entry !== 'surehook/sqlite') return stderr;
  return stderr.replace(
    /^\(node:\d+\) ExperimentalWarning: SQLite is an experimental feature .*\n\(Use `node --trace-warnings .*\n/,
    '',
  );
}

describe.each(NODES)('on %s', (node) => {
  it.each(entries())('%s can be imported and prints nothing', (entry) => {
    const outcome = runFile(
      node,
      'import.js',
      `const names = Object.keys(await import(${JSON.stringify(entry)}));
      console.log(names.length > 0 ? 'has names' : 'is empty');`,
    );
    expect({ ...outcome, stderr: withoutNodesWarning(entry, outcome.stderr) }).toEqual({
      status: 0,
      stdout: 'has names\n',
      stderr: '',
    });
  });

  it('importing surehook loads no database driver', () => {
    const outcome = runFile(
      node,
      'driver.js',
      `import { createRequire, registerHooks } from 'node:module';
      const seen = [];
      registerHooks({ resolve: (specifier, context, next) => { seen.push(specifier); return next(specifier, context); } });
      await import('surehook');
      console.log(seen.filter((specifier) => /^(node:sqlite|pg|better-sqlite3)$/.test(specifier)).join() || 'none');
      console.log(seen.length > 1);`,
    );
    expect(outcome).toEqual({ status: 0, stdout: 'none\ntrue\n', stderr: '' });
  });
});

describe('the declarations', () => {
  const textOf = (names: readonly string[]): string =>
    names.map((entry, n) => `export * as entry${n} from '${entry}';`).join('\n');

  it('compile by themselves, with the types of Node', () => {
    const options = { types: ['node'], lib: ['es2024'] };
    expect(typeCheck('declarations.ts', textOf(entries()), options)).toMatchObject({ status: 0, stdout: '' });
  });

  it('compile with the types of the language and the web only, but for that which takes a handle of node:sqlite', () => {
    const options = { types: [], lib: ['es2024', 'dom', 'esnext.disposable'] };
    const names = entries().filter((entry) => entry !== 'surehook/sqlite');
    expect(typeCheck('declarations.ts', textOf(names), options)).toMatchObject({ status: 0, stdout: '' });
  });

  it('are really checked', () => {
    const outcome = typeCheck('wrong.ts', "import { noSuchName } from 'surehook'; noSuchName();", {
      types: [],
    });
    expect(outcome.status).not.toBe(0);
    expect(outcome.stdout).toContain('noSuchName');
  });
});
