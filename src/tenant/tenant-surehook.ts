import type { DeliveryAdmin } from '../admin/delivery-admin.ts';
import type { WebhookAdmin } from '../admin/webhook-admin.ts';
import { invalidEvent } from '../domain/check.ts';
import { checkTenantId } from '../domain/ids.ts';
import { ownFields } from '../publish/event-fields.ts';
import type { NewEvent } from '../publish/new-event.ts';
import type { Published, PublishOptions } from '../publish/published.ts';
import { limited } from './limited.ts';
import { TenantDeliveries } from './tenant-deliveries.ts';
import { TenantWebhooks } from './tenant-webhooks.ts';

/**
 * A surehook as one tenant may use it: everything that it shows, takes and changes is that tenant's, and another's id is as unknown as a missing one. A `tenantId` in an
 * input may be left out; another tenant's is refused.
 */
export interface TenantSurehook<Event = NewEvent> {
  readonly tenantId: string;
  /** `Surehook.publish` for an event of this tenant. */
  publish(event: Event, options?: PublishOptions): Promise<Published>;
  /** `Surehook.publishMany` for events of this tenant. */
  publishMany(events: readonly Event[], options?: PublishOptions): Promise<Published[]>;
  readonly webhooks: WebhookAdmin;
  readonly deliveries: DeliveryAdmin;
}

/** What is limited. */
export type TenantParts<Event> = Omit<TenantSurehook<Event>, 'tenantId'>;

/** Limits parts of a surehook to one tenant. Throws `InvalidInputError` for what is no tenant id. */
export function forTenant<Event>(parts: TenantParts<Event>, tenantId: string): TenantSurehook<Event> {
  const checked = checkTenantId('tenantId', tenantId);
  // Typed as it was: of the fields only the tenant changes, which is of no event's type.
  const own = (event: Event): Event => limited(checked, ownFields(event), invalidEvent) as Event;
  return {
    tenantId: checked,
    publish: async (event, options) => await parts.publish(own(event), options),
    publishMany: async (events, options) =>
      await parts.publishMany(Array.isArray(events) ? events.map(own) : events, options),
    webhooks: new TenantWebhooks(checked, parts.webhooks),
    deliveries: new TenantDeliveries(checked, parts.deliveries),
  };
}
