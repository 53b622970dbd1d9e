import type { EventCatalog, SchemaInput } from '../domain/standard-schema.ts';

/**
 * What `publish` takes where there is a catalogue: one of its types, with the `data` that the type's schema takes. Without one, any `NewEvent`.
 */
export type EventOf<Catalog extends EventCatalog> = string extends keyof Catalog
  ? NewEvent
  : {
      [Type in keyof Catalog & string]: EventFields<Type> & DataContent<SchemaInput<Catalog[Type]>>;
    }[keyof Catalog & string];

/**
 * What `publish` takes. Fields that are not here are refused, and so is a field of the wrong kind: `InvalidEventError` names
 * it. Everything is read and copied before `publish` first waits; what the host changes afterwards has no effect.
 */
export type NewEvent<Type extends string = string, Data = unknown> = EventFields<Type> &
  (DataContent<Data> | BodyContent);

/** What every event has, whatever its content. */
export interface EventFields<Type extends string = string> {
  /**
   * Such as `invoice.paid`: 1 to 20 segments of `A-Z a-z 0-9 _ -` joined by dots, 128 characters at most. Compared exactly:
   * case matters.
   */
  readonly type: Type;
  /** Only this tenant's webhooks get it: 1 to 128 characters. @default 'default' */
  readonly tenantId?: string | undefined;
  /** Where it comes from, for filters: 1 to 256 characters. */
  readonly source?: string | undefined;
  /** Sent with every attempt and seen by filters. Names are taken in lower case; those that surehook sets itself are refused. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /**
   * Makes `publish` safe to repeat: of all events of a tenant with one key the first is stored, an equal one resolves as its
   * duplicate, another one rejects with `ConflictError`. 1 to 256 characters. Equal means: every field that the host gave is.
   */
  readonly idempotencyKey?: string | undefined;
  /**
   * Ordered webhooks get events with the same key one at a time, in the order of publishing; different keys do not wait for each other, and events
   * without a key are of one key of their own. Webhooks that are not ordered do not look at it. 1 to 256 characters.
   */
  readonly orderingKey?: string | undefined;
  /** Not attempted before this instant. @default at once */
  readonly deliverAt?: Date | undefined;
  /**
   * The `webhook-id` that receivers see: 1 to 128 of `A-Z a-z 0-9 _ -` (no dots: the signed text is joined by them). Unique among all events; the
   * same event under the same id is a duplicate, as with `idempotencyKey`. @default a new `evt_…`
   */
  readonly id?: string | undefined;
  /** When it happened; the `timestamp` of the body. @default now */
  readonly timestamp?: Date | undefined;
}

/** Content as a value: sent as the JSON `{"type","timestamp","data"}`. */
export interface DataContent<Data = unknown> {
  /**
   * Anything that `JSON.stringify` turns into JSON, nested 1 000 deep at most; null is fine, `undefined` and functions are
   * not. It is serialised once, at publish: `toJSON` is honoured, and what JSON leaves out is left out.
   */
  readonly data: Data;
  readonly body?: undefined;
  readonly contentType?: undefined;
}

/** Content as it is to be sent: exactly these bytes are stored, signed and sent. */
export interface BodyContent {
  /** Bytes, or a string that is sent as UTF-8 (lone surrogates are refused: UTF-8 has none). */
  readonly body: string | Uint8Array;
  /** The content type it is sent with, such as `text/xml; charset=utf-8`: 255 characters at most. */
  readonly contentType: string;
  readonly data?: undefined;
}
