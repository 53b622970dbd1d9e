/** A process that delivers. There can be as many of them as you like, on as many machines: they share the work by the database. */
import { Pool } from 'pg';
import { openSurehook } from './outbox.ts';

const pool = new Pool({ connectionString: process.env.DATABASE_URL });
const surehook = openSurehook(pool);
const tell = (): void => void process.send?.(String(surehook.stats().delivered));

surehook.on('error', (error) => process.stderr.write(`worker: ${error.message}\n`));
surehook.on('delivery:delivered', tell);
await surehook.start();
tell();

process.once('message', async () => {
  await surehook.stop();
  tell();
  process.disconnect();
});
process.once('disconnect', () => process.exit());
