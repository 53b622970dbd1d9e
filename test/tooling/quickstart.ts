export interface Quickstart {
  readonly language: 'ts' | 'js';
  readonly code: string;
  /** What the README says it prints. */
  readonly output: string;
}

const FENCE = /^```(\w*)\n([\s\S]*?)^```$/gm;

/** The first fenced block below `## Quickstart`, ```ts or ```js, and the next one, ```text: its output. */
export function readQuickstart(readme: string): Quickstart {
  const section = /^## Quickstart\n([\s\S]*?)(?=^## |(?![\s\S]))/m.exec(readme)?.[1];
  if (section === undefined) throw new Error('The README has no heading "## Quickstart"');
  const blocks = [...section.matchAll(FENCE)].map(([, language, text]) => ({ language, text }));
  const code = blocks.find(({ language }) => language === 'ts' || language === 'js');
  const output = blocks.slice(blocks.indexOf(code as never) + 1).find(({ language }) => language === 'text');
  if (code?.text === undefined) throw new Error('The quickstart has no block ```ts or ```js');
  if (output?.text === undefined) throw new Error('The quickstart has no block ```text with its output');
  return { language: code.language as 'ts' | 'js', code: code.text, output: output.text };
}

/** The text with every id (`evt_…`, `dlv_…`, `whk_…`) replaced by its prefix. */
export function withoutIds(text: string): string {
  return text.replace(/\b(evt|dlv|whk|whsec)_[\w-]+…?|\b(evt|dlv|whk|whsec)_…/g, '$1$2_…');
}
