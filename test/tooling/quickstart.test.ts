import { describe, expect, it } from 'vitest';
import { readQuickstart, withoutIds } from './quickstart.ts';

const FENCE = '```';
const readme = `# a
## Install
${FENCE}sh
npm install a
${FENCE}
## Quickstart
Save this:
${FENCE}ts
const a = 1;

console.log(a);
${FENCE}
It prints
${FENCE}text
1
${FENCE}
## More
${FENCE}ts
never();
${FENCE}
`;

describe('readQuickstart', () => {
  it('takes the first block of code and the output after it', () => {
    expect(readQuickstart(readme)).toEqual({
      language: 'ts',
      code: 'const a = 1;\n\nconsole.log(a);\n',
      output: '1\n',
    });
  });

  it('refuses a README without the heading, the code or the output', () => {
    expect(() => readQuickstart('# a\n')).toThrow('no heading');
    expect(() => readQuickstart('## Quickstart\n## More\n```ts\na\n```\n')).toThrow('no block ```ts');
    expect(() => readQuickstart('## Quickstart\n```ts\na\n```\n')).toThrow('no block ```text');
  });
});

describe('withoutIds', () => {
  it('makes equal what differs in ids only', () => {
    expect(withoutIds('delivered evt_01J9Zab to whk_7_x')).toBe('delivered evt_… to whk_…');
    expect(withoutIds('delivered evt_… to whk_1…')).toBe('delivered evt_… to whk_…');
  });
});
