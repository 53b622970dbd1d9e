import { expect, it } from 'vitest';
import { fencesIn } from './fences.ts';

it('finds blocks with the headings above them, and no heading in a block', () => {
  const markdown = ['# a', '## b', '### c', '```js', '# 1', '', '2', '```', '## d', '```', '```', ''].join(
    '\n',
  );
  expect(fencesIn(markdown)).toEqual([
    { section: 'b', heading: 'c', language: 'js', text: '# 1\n\n2\n' },
    { section: 'd', heading: 'd', language: '', text: '' },
  ]);
});
