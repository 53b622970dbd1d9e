import type { DeliveryRecord, ExhaustedReason } from '../domain/delivery.ts';
import type { WebhookRecord } from '../domain/webhook.ts';
import type { Claim } from './lane.ts';
import { singles } from './to-claims.ts';

/** What is to become of a claimed delivery before any request is made. */
export type Verdict =
  | { readonly kind: 'send' }
  /** It waits on, in its webhook's own queue. */
  | { readonly kind: 'hold' }
  | { readonly kind: 'give-up'; readonly reason: ExhaustedReason }
  /** A batch of which some are to be given up, and others not: each for itself. */
  | { readonly kind: 'take-apart' };

/** Decides by the webhook as it is now: the last look before a request starts. */
export function triage(claim: Claim, webhook: WebhookRecord | null, maxLost: number): Verdict {
  const verdict = verdictOn(claim.delivery, webhook, maxLost);
  if (claim.others.length === 0) return verdict;
  // Claims are lost one by one: what was lost of one of a batch says nothing of the others.
  const isOfAll = claim.others.every(
    (other) => other.lost === claim.delivery.lost || verdictOn(other, webhook, maxLost).kind === verdict.kind,
  );
  return isOfAll ? verdict : { kind: 'take-apart' };
}

/** A claim and what is to become of it. */
export interface Judged {
  readonly claim: Claim;
  readonly verdict: Verdict;
}

/** Each delivery of a batch, judged for itself. */
export function apart(claim: Claim, webhook: WebhookRecord | null, maxLost: number): readonly Judged[] {
  return singles(claim).map((one) => ({ claim: one, verdict: triage(one, webhook, maxLost) }));
}

function verdictOn(
  { lost, tries }: DeliveryRecord,
  webhook: WebhookRecord | null,
  maxLost: number,
): Exclude<Verdict, { kind: 'take-apart' }> {
  if (webhook === null) return { kind: 'give-up', reason: 'webhook-deleted' };
  // At-most-once: any earlier claim that was not given back unsent may have been received.
  if (webhook.delivery.semantics === 'at-most-once' && lost + tries > 0) {
    return { kind: 'give-up', reason: lost > 0 ? 'outcome-unknown' : 'at-most-once-failed' };
  }
  if (lost > maxLost) return { kind: 'give-up', reason: 'outcome-unknown' };
  switch (webhook.status.state) {
    case 'enabled':
    case 'retrying':
      return { kind: 'send' };
    case 'disabled':
      return { kind: 'hold' };
    case 'unavailable':
      return { kind: 'give-up', reason: 'webhook-unavailable' };
  }
}
