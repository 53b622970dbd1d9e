import type { Surehook } from '../../surehook.ts';

/** Of a surehook, or of its face for one tenant, what inspection calls. */
export interface InspectedFace {
  readonly webhooks: Pick<
    Surehook['webhooks'],
    'get' | 'list' | 'health' | 'enable' | 'disable' | 'sendTest'
  >;
  readonly deliveries: Pick<
    Surehook['deliveries'],
    'get' | 'attempts' | 'list' | 'explain' | 'replay' | 'replayMany' | 'resend' | 'cancel'
  >;
}

/** What `inspectionHandler` needs of a surehook; a `Surehook` has it, started or not. */
export interface Inspectable extends InspectedFace {
  forTenant(tenantId: string): InspectedFace;
}
