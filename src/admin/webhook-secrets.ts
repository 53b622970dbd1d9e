/** The keys that a webhook signs with: how a change of them is read, what it makes of those there are, and what of them is handed out. */
import { numberIn, plainObject } from '../domain/check.ts';
import type { Signing, WebhookSecret } from '../domain/webhook.ts';
import { ConflictError } from '../errors.ts';
import type { Webhook } from '../views.ts';
import { readSigning } from './webhook-fields.ts';

/**
 * A webhook and what its receiver verifies with: the `secret`, given back this once; or for `ed25519` the `publicKey`, which is a field of the
 * webhook too. The private key of a pair is never given back: it stays with the sender.
 */
export type KeyedWebhook<Kind extends Signing = Signing> = Kind extends 'ed25519'
  ? { readonly webhook: Webhook; readonly publicKey: string; readonly secret?: never }
  : { readonly webhook: Webhook; readonly secret: string; readonly publicKey?: never };

/** How a new key takes the place of the one there is. */
export interface SecretRotation<Kind extends Signing = Signing> {
  /** The kind of the new key. @default that of the newest one */
  readonly signing?: Kind | undefined;
  /** How long the older keys, of whatever kind, sign beside the new one, ms of the store's time: 0 to 365 days. Shortens their time, never lengthens it. @default 0: they stop at once */
  readonly overlapMs?: number | undefined;
}

const MAX_OVERLAP_MS = 365 * 86_400_000;

/** As many as receivers can be expected to try: each is an entry of `webhook-signature`. */
const MAX_SECRETS = 8;

/** A rotation as it was read. */
export interface ParsedRotation {
  readonly signing: Signing | undefined;
  readonly overlapMs: number;
}

/** Reads what `webhooks.rotateSecret` was given. Throws `InvalidInputError`. */
export function parseRotation(input: unknown): ParsedRotation {
  const { signing, overlapMs = 0 } = plainObject('rotation', input, {
    keys: ['signing', 'overlapMs'] as const,
    path: '',
  });
  return {
    signing: signing === undefined ? undefined : readSigning(signing),
    overlapMs: numberIn('overlapMs', overlapMs, { min: 0, max: MAX_OVERLAP_MS, integer: true }),
  };
}

/**
 * The secrets with a new one in front; the others sign until `until`, or end before. Those that have ended by `now` are dropped. Done twice it is
 * as done once. Throws `ConflictError` where there would be too many.
 */
export function rotated(
  secrets: readonly WebhookSecret[],
  secret: string,
  { now, until }: { readonly now: number; readonly until: number },
): readonly WebhookSecret[] {
  const older = secrets
    .filter((one) => one.secret !== secret)
    .map((one) => ({ secret: one.secret, expiresAt: Math.min(one.expiresAt ?? until, until) }))
    .filter(({ expiresAt }) => expiresAt > now);
  if (older.length < MAX_SECRETS) return [{ secret }, ...older];
  throw new ConflictError(
    `The webhook signs with ${older.length} keys already: wait until one has ended, or rotate without overlapMs`,
  );
}

/** What is given back of a new key. */
export function handedOut(webhook: Webhook, secret: string): KeyedWebhook {
  return webhook.signing === 'ed25519'
    ? { webhook, publicKey: webhook.publicKey ?? '' }
    : { webhook, secret };
}
