export type { Failure, FailureBody, Json } from './answers.ts';
export { type GithubOptions, github } from './ingress/github.ts';
export { type IngressTarget, ingressHandler } from './ingress/handler.ts';
export type { IngressMessage, IngressRequest, IngressVerifier, Verified } from './ingress/message.ts';
export type { IngressOptions } from './ingress/options.ts';
export type { SharedSecrets } from './ingress/secrets.ts';
export { type StandardWebhooksOptions, standardWebhooks } from './ingress/standard-webhooks.ts';
export { type StripeOptions, stripe } from './ingress/stripe.ts';
export type { Inspectable, InspectedFace } from './inspection/face.ts';
export { type InspectionOptions, inspectionHandler } from './inspection/handler.ts';
export type { Authorize, Scope } from './inspection/scope.ts';
export {
  type NodeRequest,
  type NodeResponse,
  type RequestContext,
  toNodeHandler,
  type WebHandler,
} from './node.ts';
