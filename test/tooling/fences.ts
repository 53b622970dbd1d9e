/** A fenced block of a Markdown text, and where it stands. */
export interface Fence {
  /** The heading of level two above it. */
  readonly section: string;
  /** The nearest heading above it. */
  readonly heading: string;
  readonly language: string;
  readonly text: string;
}

const HEADING = /^(#{1,6}) (.+)$/;
const OPEN = /^```(\w*)$/;

/** Every fenced block, in order. */
export function fencesIn(markdown: string): readonly Fence[] {
  const fences: Fence[] = [];
  let place = { section: '', heading: '' };
  let open: { readonly language: string; readonly lines: string[] } | undefined;
  for (const line of markdown.split('\n')) {
    if (open !== undefined) {
      if (line !== '```') open.lines.push(`${line}\n`);
      else {
        fences.push({ ...place, language: open.language, text: open.lines.join('') });
        open = undefined;
      }
      continue;
    }
    const [, level = '', title = ''] = HEADING.exec(line) ?? [];
    if (title !== '') place = { section: level.length <= 2 ? title : place.section, heading: title };
    const language = OPEN.exec(line)?.[1];
    if (language !== undefined) open = { language, lines: [] };
  }
  return fences;
}
