import type { Check } from './checks.ts';
import { styled, tableLines } from './table.ts';
import type { Show, View } from './view.ts';

const FRAME_MS = 100;
/** Lines that are not notes, the checks at the end included. */
const OTHER_LINES = 18;

const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
/** Lines that are too long are cut, not folded: a folded one would shift everything below it. */
const CUT_LINES = '\x1b[?7l';
const FOLD_LINES = '\x1b[?7h';
const CLEAR_TO_LINE_END = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

/** For terminals: drawn over itself ten times a second, below what was there before. */
export class LiveView implements View {
  readonly #show: Show;
  readonly #started = performance.now();
  readonly #notes: string[] = [];
  /** Height of the frame on the screen. */
  #height = 0;
  #isDrawing = false;
  #isOver = false;
  readonly #timer = setInterval(() => void this.#tick(), FRAME_MS);
  readonly #onExit = (): void => this.restore();

  constructor(show: Show) {
    this.#show = show;
    process.stdout.write(HIDE_CURSOR);
    process.once('exit', this.#onExit);
  }

  note(who: string, text: string): void {
    this.#notes.push(`${styled('dim', this.#elapsed())}  ${who.padEnd(8)} ${text}`);
  }

  async end(checks: readonly Check[]): Promise<void> {
    clearInterval(this.#timer);
    this.#isOver = true;
    const lines = checks.map(
      ({ text, holds }) => `${holds ? styled('green', 'ok    ') : styled('red', 'FAILED')} ${text}`,
    );
    this.#draw([...(await this.#frame()), '', ...lines]);
  }

  restore(): void {
    clearInterval(this.#timer);
    process.removeListener('exit', this.#onExit);
    process.stdout.write(FOLD_LINES + SHOW_CURSOR);
  }

  async #tick(): Promise<void> {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    const frame = await this.#frame();
    this.#isDrawing = false;
    if (!this.#isOver) this.#draw(frame);
  }

  async #frame(): Promise<string[]> {
    const { title, subtitle, rows } = this.#show;
    const room = Math.max(1, (process.stdout.rows ?? 24) - OTHER_LINES);
    return [
      `${styled('bold', title)} ${styled('dim', this.#elapsed())}`,
      styled('dim', subtitle),
      '',
      ...tableLines(await rows()),
      '',
      ...this.#notes.slice(-room),
    ];
  }

  #draw(lines: readonly string[]): void {
    const back = this.#height > 0 ? `\x1b[${this.#height}A` : '';
    const text = lines.map((line) => `${line}${CLEAR_TO_LINE_END}\n`).join('');
    process.stdout.write(`${CUT_LINES}\r${back}${text}${CLEAR_BELOW}${FOLD_LINES}`);
    this.#height = lines.length;
  }

  #elapsed(): string {
    return `${((performance.now() - this.#started) / 1000).toFixed(1).padStart(4)} s`;
  }
}
