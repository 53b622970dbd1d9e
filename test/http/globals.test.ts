import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);

/** The Nodes to try: paths in `SUREHOOK_NODES`, separated by colons; else the one that runs this. */
const nodes = process.env.SUREHOOK_NODES?.split(':').filter((path) => path !== '') ?? [process.execPath];
const probe = fileURLToPath(new URL('./globals-probe.ts', import.meta.url));

interface Findings {
  readonly version: string;
  readonly changed: readonly string[];
  readonly status: number;
}

describe.each(nodes)('under %s', (node) => {
  it.each(['untouched', 'used'])(
    'making requests leaves the fetch and the dispatcher of the host as they were, %s before',
    async (before) => {
      const flags = ['--no-warnings', '--experimental-strip-types'];
      const { stdout } = await run(node, [...flags, probe, before], { timeout: 20_000 });
      const findings = JSON.parse(stdout) as Findings;
      expect(findings.changed).toEqual([]);
      expect(findings.status).toBe(204);
    },
  );
});
