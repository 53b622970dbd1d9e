/** A filter as plain data: no code, no regular expressions, own properties only, bounded. */
export type Filter = { readonly all: readonly Filter[] };
