export type { DeliveryAdmin } from './admin/delivery-admin.ts';
export type { DeliveryExplanation, ExplainQuery, NoDelivery, Wait } from './admin/delivery-explanation.ts';
export type { DeliveryConditions, DeliveryListQuery, ReplayFilter } from './admin/delivery-query.ts';
export type { DeliveryInput, NewWebhook, RateInput, WebhookPatch } from './admin/new-webhook.ts';
export type { Page } from './admin/pages.ts';
export type { WebhookAdmin, WebhookListQuery } from './admin/webhook-admin.ts';
export type { BoundedCount, HealthQuery, WebhookHealth } from './admin/webhook-health.ts';
export type { KeyedWebhook, SecretRotation } from './admin/webhook-secrets.ts';
export { type Clock, systemClock } from './clock.ts';
export type { BackoffPolicy } from './domain/backoff.ts';
export {
  type BatchCandidate,
  type BatchLimits,
  type BatchMembership,
  batchKind,
  batchOf,
  bytesInBatch,
} from './domain/batch.ts';
export type {
  AttemptData,
  AttemptErrorKind,
  AttemptRecord,
  DeliveryRecord,
  DeliveryStatus,
  ExhaustedReason,
  Queue,
  SettledState,
} from './domain/delivery.ts';
export type { EventRecord } from './domain/event.ts';
export type { Filter, FilterField, FilterOperators, FilterRule, FilterScalar } from './domain/filter.ts';
export { type RateLimit, returnTokens, type Taken, takeTokens } from './domain/rate-limit.ts';
export {
  type ExponentialOptions,
  type RetryContext,
  type RetryFunction,
  type RetryPolicy,
  type RetryPolicyData,
  retryExponential,
  retrySchedule,
} from './domain/retry-policy.ts';
export type { EventCatalog, SchemaIssue, SchemaResult, StandardSchema } from './domain/standard-schema.ts';
export type { FailureNote, OutcomeTally } from './domain/tally.ts';
export {
  type DeliveryMode,
  type Signing,
  sameStatus,
  type WebhookRecord,
  type WebhookSecret,
  type WebhookStatus,
} from './domain/webhook.ts';
export {
  ConflictError,
  type EventIssue,
  ForbiddenEndpointError,
  HostCodeError,
  InvalidEventError,
  InvalidInputError,
  NotFoundError,
  PayloadTooLargeError,
  RateLimitedError,
  StorageError,
  SurehookError,
  type SurehookErrorCode,
} from './errors.ts';
export type { SurehookEvents, SurehookListeners } from './events.ts';
export type { EndpointPolicy } from './http/endpoint.ts';
export type { Resolve } from './http/resolve.ts';
export { type SignedMessage, type Signer, standardSigner } from './http/signing.ts';
export {
  type Transport,
  TransportError,
  type TransportErrorKind,
  type TransportRequest,
  type TransportResponse,
} from './http/transport.ts';
export { type HttpTransportOptions, httpTransport } from './http/undici-transport.ts';
export { type MemoryRepos, type MemoryReposOptions, memoryRepos } from './memory/index.ts';
export type { Shape, ShapeEvent } from './options/publishing.ts';
export type { Retention, SurehookOptions } from './options.ts';
export type { BodyContent, DataContent, EventFields, EventOf, NewEvent } from './publish/new-event.ts';
export type { Published, PublishOptions } from './publish/published.ts';
export { type Random, systemRandom } from './random.ts';
export type * from './repos.ts';
export {
  createSurehook,
  type IdleOptions,
  type Stats,
  type StopOptions,
  type Surehook,
  type SurehookOf,
} from './surehook.ts';
export type { TenantSurehook } from './tenant/tenant-surehook.ts';
export { version } from './version.ts';
export type { Attempt, Delivery, PublicWebhookStatus, PublishedEvent, Webhook } from './views.ts';
