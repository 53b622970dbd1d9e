import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readQuickstart, withoutIds } from '../tooling/quickstart.ts';
import { NODES, runFile, typeCheck } from './consumer.ts';

const quickstart = readQuickstart(readFileSync('README.md', 'utf8'));
const FILE = `quickstart.${quickstart.language}`;

it.each(NODES)("the README's quickstart runs on %s and prints what the README says", (node) => {
  const outcome = runFile(node, FILE, quickstart.code);
  expect({ ...outcome, stdout: withoutIds(outcome.stdout).trim() }).toEqual({
    status: 0,
    stdout: withoutIds(quickstart.output).trim(),
    stderr: '',
  });
});

it("the README's quickstart compiles under the strictest settings", () => {
  const outcome = typeCheck(FILE, quickstart.code, { types: ['node'], allowJs: true, checkJs: true });
  expect(outcome).toMatchObject({ status: 0, stdout: '' });
});
