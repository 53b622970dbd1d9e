import { styleText } from 'node:util';
import type { Row } from './scoreboard.ts';

type Style = Parameters<typeof styleText>[0];

/** In colour where the terminal has some and `NO_COLOR` does not object. Only colours that can be read on black and on white. */
export function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

const stateStyles: Readonly<Record<string, Style>> = {
  enabled: 'green',
  retrying: 'magenta',
  unavailable: 'red',
};

const head = 'webhook   status         delivered   failed   waiting   given up   last answer';

/** The table, its head first. */
export function tableLines(rows: readonly Row[]): string[] {
  return [styled('bold', head), ...rows.map(line)];
}

function line({ name, state, delivered, failed, waiting, dead, answer }: Row): string {
  const number = (value: number, width: number, style: Style): string => {
    const text = String(value).padStart(width);
    return value > 0 ? styled(style, text) : styled('dim', text);
  };
  return [
    name.padEnd(10),
    styled(stateStyles[state] ?? 'bold', state.padEnd(13)),
    number(delivered, 11, 'green'),
    number(failed, 9, 'magenta'),
    number(waiting, 10, 'magenta'),
    number(dead, 11, 'red'),
    '   ',
    answer,
  ].join('');
}
