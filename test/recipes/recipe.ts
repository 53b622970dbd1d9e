/** The blocks of the README, to be run as they stand there. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { promisify } from 'node:util';
import * as surehook from '../../src/index.ts';
import { type Fence, fencesIn } from '../tooling/fences.ts';

/** Modules by the name that a block imports. */
type Modules = Readonly<Record<string, () => Promise<unknown>>>;

/** What stands in for what a block imports of the package: the sources. */
const entries: Modules = {
  surehook: () => import('../../src/index.ts'),
  'surehook/http': () => import('../../src/web/index.ts'),
  'surehook/postgres': () => import('../../src/postgres/index.ts'),
  'surehook/sqlite': () => import('../../src/sqlite/index.ts'),
  'surehook/testing': () => import('../../src/testing/index.ts'),
};

/** Sees to it that what the text says of a block holds. Blocks that others go on from are found by name. */
export type Trial = (recipe: Recipe, recipeOf: (name: string) => Recipe) => Promise<void>;

type Names = Readonly<Record<string, unknown>>;

type Runnable = (...values: readonly unknown[]) => Promise<unknown>;
const AsyncFunction = (async () => {}).constructor as new (...source: readonly string[]) => Runnable;

const run = promisify(execFile);

/** One block: it is run by the same text that readers see. */
export class Recipe {
  /** The heading above it, and from the second one below that heading on its number: `Publish once 2`. */
  readonly name: string;
  readonly language: string;
  readonly text: string;

  constructor(name: string, { language, text }: Fence) {
    this.name = name;
    this.language = language;
    this.text = text;
  }

  /**
   * Runs JavaScript or TypeScript with these names in scope, and with all that `surehook` exports. Resolves with the values of the names in `makes`, which the
   * block declares. Modules in `instead` take the place of those that it imports.
   */
  async run<Made extends object>(
    given: Names = {},
    makes: readonly (keyof Made & string)[] = [],
    instead: Modules = {},
  ): Promise<Made> {
    const modules = { ...entries, ...instead };
    const load = (name: string): Promise<unknown> => modules[name]?.() ?? import(name);
    const scope: Names = { ...surehook, ...given, load };
    // A block of its own, so that what it declares may have the names of what is in scope.
    const body = `'use strict';\n{\n${this.#script()}\nreturn { ${makes.join(', ')} };\n}\n//# sourceURL=README: ${this.name}`;
    return (await new AsyncFunction(...Object.keys(scope), body)(...Object.values(scope))) as Made;
  }

  /** Runs the commands of a shell that call curl; resolves with what they print. */
  async curl(env: Readonly<Record<string, string>>): Promise<readonly string[]> {
    const commands = this.text.replaceAll('\\\n', '').split('\n');
    const answers: string[] = [];
    for (const command of commands.filter((line) => line.startsWith('curl '))) {
      const options = { env: { PATH: process.env.PATH, ...env } };
      answers.push((await run('bash', ['-c', command.replace('curl', 'curl -sS')], options)).stdout);
    }
    return answers;
  }

  /** The block as the body of a function, which has no import declarations. */
  #script(): string {
    const script = this.language === 'ts' ? stripTypeScriptTypes(this.text) : this.text;
    return script.replace(
      /^import (?:\* as )?(\w+|\{[^}]*\}) from '(.+)';/gm,
      (line, names: string, from: string) => {
        const isWhole = line.startsWith('import *') || names.startsWith('{');
        const pattern = isWhole ? names.replaceAll(' as ', ': ') : `{ default: ${names} }`;
        return `const ${pattern} = await load('${from}');`;
      },
    );
  }
}

/** Every block of code that is not the quickstart, which is run from the packed package. */
export function readRecipes(): readonly Recipe[] {
  const code = fencesIn(readFileSync('README.md', 'utf8')).filter(
    ({ section, language, text }) =>
      section !== 'Quickstart' && (language === 'js' || language === 'ts' || /^curl /m.test(text)),
  );
  const counts = new Map<string, number>();
  return code.map((fence) => {
    const count = (counts.get(fence.heading) ?? 0) + 1;
    counts.set(fence.heading, count);
    return new Recipe(count === 1 ? fence.heading : `${fence.heading} ${count}`, fence);
  });
}
