import type { LawContext } from './context.ts';

/**
 * The groups of laws, by what they are about.
 * - `append`, `idempotency`, `bodies`: publishing.
 * - `claim-express`, `claim-queues`, `leases`, `fencing`: who works on what, and until when.
 * - `settle`, `own-queues`, `replay`, `cancel`, `prune`: what becomes of a delivery.
 * - `ordering`, `batches`: deliveries with an ordering key take turns; several for one request.
 * - `listing`, `counts`, `round-trip`: reading back, hostile strings and bytes included.
 * - `webhooks` (of any `WebhookRepo`), `webhook-store` (of a `WebhookStore`).
 * - `queue-state`, `queue-leases`, `tokens`, `outcomes`: the `StateRepo`.
 * - `wake-up`: the optional `onWork` and `onChange`.
 */
export type LawFamily =
  | 'append'
  | 'idempotency'
  | 'bodies'
  | 'claim-express'
  | 'claim-queues'
  | 'leases'
  | 'fencing'
  | 'settle'
  | 'own-queues'
  | 'replay'
  | 'cancel'
  | 'prune'
  | 'ordering'
  | 'batches'
  | 'listing'
  | 'counts'
  | 'round-trip'
  | 'webhooks'
  | 'webhook-store'
  | 'queue-state'
  | 'queue-leases'
  | 'tokens'
  | 'outcomes'
  | 'wake-up';

/** One thing that every adapter must do. */
export interface Law {
  /** The family and a sentence, unique among all laws: what `skip` and test reports call it. */
  readonly name: string;
  readonly family: LawFamily;
  /** Rejects, mostly with an `AssertionError`, when the law is broken. Needs a fresh context. */
  run(context: LawContext): Promise<void>;
}

/** Makes the laws of one family from sentences and what shows them. */
export function lawsOf(
  family: LawFamily,
  laws: Readonly<Record<string, (context: LawContext) => Promise<void>>>,
): readonly Law[] {
  return Object.entries(laws).map(([sentence, run]) => ({ name: `${family}: ${sentence}`, family, run }));
}
