/**
 * The last step of the build: deletes the declarations in dist that no entry of the package refers to, because nobody can import them and their
 * comments are a tenth of what is installed; and takes the tabs from the beginnings of lines, and the spaces where those of texts are of SQL. No text in the code has tabs: the source has none.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const {
  exports: entries,
}: { readonly exports: Readonly<Record<string, string | { readonly types: string }>> } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
);
const REFERENCE = /(?:\bfrom|\bimport)\s*\(?\s*['"](\.[^'"]+)\.[jt]s['"]/g;

const reached = new Set<string>();
const left = Object.values(entries).flatMap((entry) =>
  typeof entry === 'string' ? [] : [resolve(root, entry.types)],
);
for (let file = left.pop(); file !== undefined; file = left.pop()) {
  if (reached.has(file)) continue;
  reached.add(file);
  for (const [, reference = ''] of readFileSync(file, 'utf8').matchAll(REFERENCE)) {
    left.push(`${resolve(dirname(file), reference)}.d.ts`);
  }
}
for (const name of readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' })) {
  const file = join(root, 'dist', name);
  if (name.endsWith('.d.ts') && !reached.has(file)) rmSync(file);
  else if (/\.[jt]s$/.test(name)) {
    const indents = /^(postgres|sqlite)\b/.test(name) && name.endsWith('.js') ? /^[\t ]+/gm : /^\t+/gm;
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll(indents, ''));
  }
}
