import type { Settings } from '../options.ts';
import type { EventRepo } from '../repos.ts';
import type { Run } from '../runtime/run.ts';
import type { Tallies } from '../runtime/tallies.ts';
import type { WebhookCache } from '../runtime/webhook-cache.ts';
import type { WebhookStatuses } from '../runtime/webhook-statuses.ts';
import type { Performer } from './performer.ts';
import type { QueueHooks } from './queue-hooks.ts';

/** What the dispatcher works with. */
export interface DispatcherParts {
  readonly run: Run;
  readonly settings: Settings;
  readonly repo: EventRepo;
  readonly cache: WebhookCache;
  readonly statuses: WebhookStatuses;
  readonly tallies: Tallies;
  readonly performer: Performer;
  readonly hooks: QueueHooks;
  /** Called whenever something ended: the dispatcher may have become idle. */
  readonly changed: () => void;
}
