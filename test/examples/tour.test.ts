import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const hook = new URL('./from-sources.ts', import.meta.url).href;
const example = fileURLToPath(new URL('../../examples/tour/index.ts', import.meta.url));

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the tour in a pipe, twice as fast as it is meant to be watched. `onText` sees what it has printed so far. */
async function tour(onText: (text: string, interrupt: () => void) => void = () => {}): Promise<Outcome> {
  const flags = ['--no-warnings', '--experimental-strip-types', '--import', hook];
  const { FORCE_COLOR: _, ...env } = process.env;
  const child = spawn(process.execPath, [...flags, example], {
    env: { ...env, SUREHOOK_TOUR_SPEED: '2' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
    onText(stdout, () => child.kill('SIGINT'));
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { status, stdout, stderr };
}

describe('the tour, in a pipe', () => {
  it('goes as told, ends by itself with 0, and prints plain dated lines', { timeout: 20_000 }, async () => {
    const { status, stdout, stderr } = await tour();
    expect(stderr).toBe('');
    expect(stdout).not.toContain('\x1b');
    const lines = stdout.split('\n');
    const notes = lines.filter((line) => /^\d{4}-\d\d-\d\dT[\d:.]{12}Z {2}/.test(line));
    const news = (who: string): string[] =>
      notes.map((line) => line.slice(26)).filter((note) => note.startsWith(who));
    expect(news('healthy')).toEqual([]);
    expect(news('flaky').filter((note) => note.includes('answered 503'))).toHaveLength(4);
    expect(news('flaky').at(-1)).toBe('flaky    retrying -> enabled');
    expect(news('dead').filter((note) => note.includes('no answer (reset)')).length).toBeGreaterThan(3);
    expect(news('dead').join()).toMatch(
      /enabled -> retrying.*retrying -> unavailable.*unavailable -> enabled/,
    );
    for (const name of ['healthy', 'flaky', 'dead']) {
      expect(stdout).toMatch(new RegExp(`^${name} +enabled +150 +\\d+ +0 +0 +204 in \\d+ ms$`, 'm'));
      expect(lines).toContain(
        `ok     ${name} received 150 of 150 events, once each, every signature verified`,
      );
    }
    expect(lines.filter((line) => line.startsWith('ok '))).toHaveLength(7);
    expect(stdout).not.toContain('FAILED');
    expect(status).toBe(0);
  });

  it('ends at once, and says so, when it is interrupted', { timeout: 20_000 }, async () => {
    let hasInterrupted = false;
    const started = performance.now();
    const { status, stdout, stderr } = await tour((text, interrupt) => {
      if (hasInterrupted || !text.includes('flaky')) return;
      hasInterrupted = true;
      interrupt();
    });
    expect(stderr).toBe('');
    expect(stdout).toContain('FAILED ended before its time');
    expect(status).toBe(130);
    expect(performance.now() - started).toBeLessThan(3_000);
  });
});
