/** A process that opens a file and stores one event. Argument: the file. */
import { sqliteRepos } from '../../src/sqlite/index.ts';
import { aDelivery, anEvent } from '../../src/testing/contract/records.ts';

const repos = sqliteRepos(process.argv[2] ?? '');
const event = anEvent({ id: `evt_${process.pid}` });
const deliveries = [aDelivery(event, { id: `dlv_${process.pid}` })];
await repos.events.append([{ event, deliveries }], { now: Date.now() });
process.stdout.write('ready');
repos.close();
