/**
 * node test/kill/run.ts [--store sqlite|postgres] [--kills 300] [--seed N] [--workers 3]
 *
 * Publishes to endpoints of its own while workers that share the store are killed, stopped and put to sleep, and, on PostgreSQL, the
 * server is stopped at once and its connections are cut; then lets them work in peace until nothing waits, and holds what the store says
 * against what the endpoints got. The seed fixes what befalls which worker; the machine's own timing it cannot fix. Ends with status 1 on
 * a violation.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Trial } from './trial.ts';

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'sqlite' },
    kills: { type: 'string', default: '300' },
    workers: { type: 'string', default: '3' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});

function whole(name: 'kills' | 'workers' | 'seed', least: number): number {
  const number = Number(values[name]);
  if (!Number.isInteger(number) || number < least) {
    throw new RangeError(`--${name} must be a whole number from ${least} on, not ${values[name]}`);
  }
  return number;
}

const kills = whole('kills', 1);
const cache = await mkdtemp(join(tmpdir(), 'surehook-kill-cache-'));
const trial = new Trial({
  store: values.store,
  kills,
  workers: whole('workers', 1),
  seed: whole('seed', 0),
  cache,
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => void trial.end().finally(() => process.exit(1)));
}
process.once('exit', () => trial.abandon());

console.log(`${values.store}, ${kills} kills, seed ${values.seed}`);
try {
  if ((await trial.run()) > 0) process.exitCode = 1;
} finally {
  await trial.end();
}
