import type { DeliveryRecord } from '../domain/delivery.ts';
import { ConflictError, quote } from '../errors.ts';
import type { Reporter } from '../events.ts';
import { type Delivery, toDelivery } from '../views.ts';
import { needDelivery, type RecordParts } from './records.ts';

/** What cancelling takes. */
export interface CancelParts extends RecordParts {
  readonly reporter: Reporter;
  /** Called when a webhook's own queue is to be looked at again. */
  readonly changed: (webhookId: string) => void;
}

/** Gives a waiting delivery up, or lets a blocking one go; see `DeliveryAdmin.cancel`. */
export async function cancelDelivery(parts: CancelParts, id: string): Promise<Delivery> {
  const { settings, storage, reporter } = parts;
  const before = await needDelivery(parts, id);
  const { after, isOurs } = isCancelled(before)
    ? { after: before, isOurs: false }
    : await cancelled(parts, before);
  const delivery = toDelivery(after);
  if (isOurs && before.status !== 'exhausted') reporter.emit('delivery:exhausted', { delivery });
  // Those behind it in its ordering key may go on, or its webhook has nothing left to wait for. Whoever serves the queue, here or in another
  // process, would else know of it only when this one was due.
  if (after.queue === 'own' || after.orderingKey !== undefined) {
    const { webhookId } = after;
    const now = settings.clock.now();
    await storage.once('state.open', () =>
      settings.repos.state.open([{ webhookId, failures: 0, nextAt: now }], { now }),
    );
    parts.changed(webhookId);
  }
  return delivery;
}

/** What became of it, and whether this call may have been the one that did it: whoever did tells of it. */
async function cancelled(
  parts: CancelParts,
  before: DeliveryRecord,
): Promise<{ readonly after: DeliveryRecord; readonly isOurs: boolean }> {
  const { settings, storage } = parts;
  const { id } = before;
  if (!isCancellable(before)) throw refusal(before);
  const now = settings.clock.now();
  let tries = 0;
  const [changed] = await storage.once('events.cancel', () => {
    tries += 1;
    return settings.repos.events.cancel([id], { now });
  });
  if (changed !== undefined) return { after: changed, isOurs: true };
  // Claimed, or settled, or cancelled since it was read: by others, or by an earlier try whose answer was lost.
  const after = await needDelivery(parts, id);
  const isLetGo = before.status === 'exhausted' && after.status === 'exhausted' && !after.blocks;
  if (isCancelled(after) || isLetGo) return { after, isOurs: tries > 1 };
  throw refusal(after);
}

function isCancelled({ reason }: DeliveryRecord): boolean {
  return reason === 'cancelled';
}

function isCancellable({ status, blocks }: DeliveryRecord): boolean {
  switch (status) {
    case 'pending':
    case 'failed':
    case 'replaying':
      return true;
    case 'exhausted':
      return blocks === true;
    case 'delivering':
    case 'delivered':
      return false;
  }
}

function refusal({ id, status, reason }: DeliveryRecord): ConflictError {
  const name = `The delivery ${quote(id)}`;
  switch (status) {
    case 'delivered':
      return new ConflictError(`${name} is delivered: there is nothing to cancel`);
    case 'exhausted':
      return new ConflictError(
        `${name} is exhausted (${reason}) and blocks nothing: there is nothing to cancel`,
      );
    case 'delivering':
    case 'pending':
    case 'failed':
    case 'replaying':
      return new ConflictError(
        `${name} is being sent: try again when that has ended, or disable its webhook`,
      );
  }
}
