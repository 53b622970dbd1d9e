import type { DeliveryRecord } from '../domain/delivery.ts';
import type { WebhookRecord } from '../domain/webhook.ts';
import { NotFoundError } from '../errors.ts';
import type { Settings } from '../options.ts';
import type { Storage } from '../runtime/storage.ts';
import { checkId } from './check-id.ts';

/** What looking records up takes. */
export interface RecordParts {
  readonly settings: Settings;
  readonly storage: Storage;
}

/** The delivery with this id. Rejects with `InvalidInputError` for what cannot be one. */
export async function findDelivery(
  { settings, storage }: RecordParts,
  id: string,
): Promise<DeliveryRecord | undefined> {
  const checked = checkId(id);
  const [record] = await storage.once('events.getDeliveries', () =>
    settings.repos.events.getDeliveries([checked]),
  );
  return record;
}

/** The same, or `NotFoundError`. */
export async function needDelivery(parts: RecordParts, id: string): Promise<DeliveryRecord> {
  const record = await findDelivery(parts, id);
  if (record === undefined) throw new NotFoundError('delivery', id);
  return record;
}

/** The webhooks of these deliveries, by id; those that were deleted are not among them. */
export async function webhooksOf(
  { settings, storage }: RecordParts,
  deliveries: readonly Pick<DeliveryRecord, 'webhookId'>[],
): Promise<ReadonlyMap<string, WebhookRecord>> {
  const ids = [...new Set(deliveries.map(({ webhookId }) => webhookId))];
  if (ids.length === 0) return new Map();
  const records = await storage.once('webhooks.getMany', () => settings.repos.webhooks.getMany(ids));
  return new Map(records.map((record) => [record.id, record]));
}
