/** A process that claims and settles until nothing is left, and prints the ids it got. Arguments: the file, the process's name. */
import { sqliteRepos } from '../../src/sqlite/index.ts';
import { anAttempt } from '../../src/testing/contract/records.ts';

const [, , file = '', name = ''] = process.argv;
const repos = sqliteRepos(file);
const got: string[] = [];
for (;;) {
  const now = Date.now();
  const { deliveries } = await repos.events.claimExpress({ now, leaseUntil: now + 60_000, limit: 16 });
  if (deliveries.length === 0) break;
  const settlements = deliveries.map(({ delivery }) => ({
    deliveryId: delivery.id,
    token: delivery.token,
    attempt: anAttempt({ responseBody: name }),
    next: { status: 'delivered' } as const,
  }));
  const results = await repos.events.settle(settlements, { now: Date.now() });
  for (const [index, { delivery }] of deliveries.entries()) {
    if (results[index] === 'applied') got.push(delivery.id);
  }
}
process.stdout.write(JSON.stringify(got));
repos.close();
