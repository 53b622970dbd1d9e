import type { Check } from './checks.ts';
import { tableLines } from './table.ts';
import type { Show, View } from './view.ts';

/** For pipes, logs and CI: a dated line per note. */
export class PlainView implements View {
  readonly #show: Show;

  constructor(show: Show) {
    this.#show = show;
    this.#print(show.title, show.subtitle, '');
  }

  note(who: string, text: string): void {
    this.#print(`${new Date().toISOString()}  ${who.padEnd(8)} ${text}`);
  }

  async end(checks: readonly Check[]): Promise<void> {
    const lines = checks.map(({ text, holds }) => `${holds ? 'ok    ' : 'FAILED'} ${text}`);
    this.#print('', ...tableLines(await this.#show.rows()), '', ...lines);
  }

  restore(): void {}

  #print(...lines: readonly string[]): void {
    process.stdout.write(`${lines.join('\n')}\n`);
  }
}
