import type { Dispatcher } from '../dispatcher/dispatcher.ts';
import type { Settings } from '../options.ts';
import type { EventRepo, StateRepo } from '../repos.ts';
import type { Run } from '../runtime/run.ts';
import type { WebhookCache } from '../runtime/webhook-cache.ts';
import type { WebhookStatuses } from '../runtime/webhook-statuses.ts';

/** What the retry queues work with. */
export interface RetryQueueParts {
  readonly run: Run;
  readonly settings: Settings;
  readonly events: EventRepo;
  readonly state: StateRepo;
  readonly cache: WebhookCache;
  readonly statuses: WebhookStatuses;
  /** The dispatcher and the retry queues know each other; the dispatcher is made second. */
  readonly dispatcher: () => Dispatcher;
  /** Called whenever the retry queues may have become idle. */
  readonly changed: () => void;
}
