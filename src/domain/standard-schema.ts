/**
 * The part of the Standard Schema interface, version 1 (https://standardschema.dev), that is used here. Schemas of zod, valibot, arktype and
 * others have it.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** For the compiler only. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a schema answers: what it made of the value, or what it has against it. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** One thing that a schema has against a value. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The schema of `data` of every event type there is. */
export type EventCatalog = Readonly<Record<string, StandardSchema>>;

/** What a schema takes; anything where it does not tell. */
export type SchemaInput<Schema extends StandardSchema> = Schema['~standard'] extends {
  readonly types?: { readonly input: infer Input } | undefined;
}
  ? Input
  : unknown;
