import type { Plan } from '../plan.ts';
import { attemptsOf } from './requests.ts';

/** How long all that waits for the rates of webhooks may wait for them, ms. */
export function rateWaitOf({ webhooks, actions, settings }: Plan): number {
  const events = actions.reduce((sum, action) => sum + (action.do === 'publish' ? action.count : 1), 0);
  const waits = webhooks.map(({ rateLimit, retry = settings.retry }) =>
    rateLimit === undefined ? 0 : (events * (attemptsOf(retry) + 1) * 60_000) / rateLimit.perMinute,
  );
  return Math.max(0, ...waits);
}
