import { fencesIn } from './fences.ts';

export interface Quickstart {
  readonly language: 'ts' | 'js';
  readonly code: string;
  /** What the README says it prints. */
  readonly output: string;
}

/** The first fenced block below `## Quickstart`, ```ts or ```js, and the next one, ```text: its output. */
export function readQuickstart(readme: string): Quickstart {
  if (!/^## Quickstart$/m.test(readme)) throw new Error('The README has no heading "## Quickstart"');
  const blocks = fencesIn(readme).filter(({ section }) => section === 'Quickstart');
  const code = blocks.find(({ language }) => language === 'ts' || language === 'js');
  if (code === undefined) throw new Error('The quickstart has no block ```ts or ```js');
  const output = blocks.slice(blocks.indexOf(code) + 1).find(({ language }) => language === 'text');
  if (output === undefined) throw new Error('The quickstart has no block ```text with its output');
  return { language: code.language as 'ts' | 'js', code: code.text, output: output.text };
}

/** The text with every id (`evt_…`, `dlv_…`, `whk_…`) replaced by its prefix. */
export function withoutIds(text: string): string {
  return text.replace(/\b(evt|dlv|whk|whsec)_[\w-]+…?|\b(evt|dlv|whk|whsec)_…/g, '$1$2_…');
}
