import type { Check } from './checks.ts';
import { LiveView } from './live-view.ts';
import { PlainView } from './plain-view.ts';
import type { Row } from './scoreboard.ts';

/** What is shown. */
export interface Show {
  readonly title: string;
  readonly subtitle: string;
  readonly rows: () => Promise<readonly Row[]>;
}

/** Where it is shown. */
export interface View {
  /** Something notable happened to `who`. */
  note(who: string, text: string): void;
  /** Shows the last state of things and how it all ended. */
  end(checks: readonly Check[]): Promise<void>;
  /** Leaves the terminal as it was; safe to call twice. */
  restore(): void;
}

/** A table that moves where there is a terminal for it, lines of text elsewhere. */
export function openView(show: Show): View {
  const isTerminal = process.stdout.isTTY && process.env.TERM !== 'dumb' && !process.env.CI;
  return isTerminal ? new LiveView(show) : new PlainView(show);
}
