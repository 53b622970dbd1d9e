/** What a host may write, and what it may not: checked by `npm run types`. */
import { describe, expectTypeOf, test } from 'vitest';
import type {
  Attempt,
  Delivery,
  NewEvent,
  NewWebhook,
  Page,
  PublicWebhookStatus,
  Published,
  RetryFunction,
  RetryPolicyData,
  Signer,
  StorageError,
  Surehook,
  SurehookError,
  SurehookErrorCode,
  SurehookEvents,
  SurehookOptions,
  Transport,
  Webhook,
} from '../../src/index.ts';
import type { ScriptedTransport } from '../../src/testing/index.ts';

describe('what a host gives', () => {
  test('options: repos alone are enough; nothing else is required', () => {
    expectTypeOf<Pick<SurehookOptions, 'repos'>>().toExtend<SurehookOptions>();
    expectTypeOf<Record<never, never>>().not.toExtend<SurehookOptions>();
    expectTypeOf<RetryFunction>().toExtend<NonNullable<SurehookOptions['retry']>>();
    expectTypeOf<ScriptedTransport>().toExtend<Transport>();
  });

  test('an event: data, or a body with its content type, never both', () => {
    expectTypeOf<{ type: string; data: number }>().toExtend<NewEvent>();
    expectTypeOf<{ type: string; body: Uint8Array; contentType: string }>().toExtend<NewEvent>();
    expectTypeOf<{ type: string; body: string }>().not.toExtend<NewEvent>();
    expectTypeOf<{ type: string; data: 1; body: string; contentType: string }>().not.toExtend<NewEvent>();
    expectTypeOf<{ data: 1 }>().not.toExtend<NewEvent>();
    expectTypeOf<{ type: string; data: 1; deliverAt: number }>().not.toExtend<NewEvent>();
  });

  test('a webhook: its delivery may be partial, its retry is data', () => {
    expectTypeOf<{
      url: string;
      events: string[];
      delivery: { semantics: 'at-most-once' };
    }>().toExtend<NewWebhook>();
    expectTypeOf<{
      url: string;
      events: string[];
      delivery: { semantics: 'once' };
    }>().not.toExtend<NewWebhook>();
    expectTypeOf<{ url: string; events: string[]; retry: RetryFunction }>().not.toExtend<NewWebhook>();
    expectTypeOf<{ url: string; events: string[]; retry: RetryPolicyData }>().toExtend<NewWebhook>();
    expectTypeOf<{ url: string }>().not.toExtend<NewWebhook>();
  });

  test('a signer may answer at once or later', () => {
    expectTypeOf<() => string>().toExtend<Signer['sign']>();
    expectTypeOf<() => Promise<string>>().toExtend<Signer['sign']>();
    expectTypeOf<() => number>().not.toExtend<Signer['sign']>();
  });
});

describe('what a host gets', () => {
  test('results', () => {
    expectTypeOf<Surehook['publish']>().returns.resolves.toEqualTypeOf<Published>();
    expectTypeOf<Surehook['publishMany']>().returns.resolves.toEqualTypeOf<Published[]>();
    expectTypeOf<Surehook['deliveries']['get']>().returns.resolves.toEqualTypeOf<Delivery | undefined>();
    expectTypeOf<Surehook['deliveries']['attempts']>().returns.resolves.toEqualTypeOf<Attempt[]>();
    expectTypeOf<Surehook['deliveries']['list']>().returns.resolves.toEqualTypeOf<Page<Delivery>>();
    expectTypeOf<Surehook['webhooks']['get']>().returns.resolves.toEqualTypeOf<Webhook | undefined>();
    expectTypeOf<Surehook>().toExtend<AsyncDisposable>();
  });

  test('a webhook has no secret; its status carries its own data', () => {
    expectTypeOf<Webhook>().not.toHaveProperty('secret');
    expectTypeOf<Webhook>().not.toHaveProperty('secrets');
    expectTypeOf<Extract<PublicWebhookStatus, { state: 'retrying' }>['since']>().toEqualTypeOf<Date>();
    expectTypeOf<Extract<PublicWebhookStatus, { state: 'enabled' }>>().not.toHaveProperty('since');
    expectTypeOf<Delivery['createdAt']>().toEqualTypeOf<Date>();
  });

  test('events are typed by their name, errors by their code', () => {
    const listen = (surehook: Surehook): Surehook =>
      surehook.on('error', (error) => {
        expectTypeOf(error).toEqualTypeOf<SurehookError>();
      });
    expectTypeOf(listen).returns.toEqualTypeOf<Surehook>();
    expectTypeOf<SurehookEvents['delivery:delivered']>().toEqualTypeOf<
      [delivered: { readonly delivery: Delivery }]
    >();
    expectTypeOf<StorageError['code']>().toEqualTypeOf<'storage'>();
    expectTypeOf<SurehookError['code']>().toEqualTypeOf<SurehookErrorCode>();
  });
});
