import { appendLaws } from './append.ts';
import { batchesLaws } from './batches.ts';
import { batchesEndedLaws } from './batches-ended.ts';
import { bodiesLaws } from './bodies.ts';
import { cancelLaws } from './cancel.ts';
import { claimExpressLaws } from './claim-express.ts';
import { claimQueuesLaws } from './claim-queues.ts';
import { countsLaws } from './counts.ts';
import { fencingLaws } from './fencing.ts';
import { idempotencyLaws } from './idempotency.ts';
import type { Law } from './law.ts';
import { leasesLaws } from './leases.ts';
import { listingLaws } from './listing.ts';
import { orderingLaws } from './ordering.ts';
import { outcomesLaws } from './outcomes.ts';
import { ownQueuesLaws } from './own-queues.ts';
import { pruneLaws } from './prune.ts';
import { queueLeasesLaws } from './queue-leases.ts';
import { queueStateLaws } from './queue-state.ts';
import { replayLaws } from './replay.ts';
import { roundTripLaws } from './round-trip.ts';
import { settleLaws } from './settle.ts';
import { tokensLaws } from './tokens.ts';
import { wakeUpLaws } from './wake-up.ts';
import { webhookStoreLaws } from './webhook-store.ts';
import { webhooksLaws } from './webhooks.ts';

/** Every law of the three ports, family by family. */
export const allLaws: readonly Law[] = [
  ...appendLaws,
  ...idempotencyLaws,
  ...bodiesLaws,
  ...claimExpressLaws,
  ...claimQueuesLaws,
  ...leasesLaws,
  ...fencingLaws,
  ...settleLaws,
  ...ownQueuesLaws,
  ...orderingLaws,
  ...batchesLaws,
  ...batchesEndedLaws,
  ...replayLaws,
  ...cancelLaws,
  ...pruneLaws,
  ...listingLaws,
  ...countsLaws,
  ...roundTripLaws,
  ...webhooksLaws,
  ...webhookStoreLaws,
  ...queueStateLaws,
  ...queueLeasesLaws,
  ...tokensLaws,
  ...outcomesLaws,
  ...wakeUpLaws,
];
