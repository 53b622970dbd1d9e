/** Where a store of a measured process lives: the bench makes it, and removes it. */
export type Home =
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'schema';
      readonly port: number;
      readonly database: string;
      readonly schema: string;
    };
