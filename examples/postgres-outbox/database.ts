import { Child } from './child.ts';

/** A database to work in. */
export interface Found {
  readonly url: string;
  close(): Promise<void>;
}

/** That of `DATABASE_URL`, or else one in a server that ends with this process. */
export async function findDatabase(): Promise<Found> {
  const url = process.env.DATABASE_URL;
  if (url !== undefined && url !== '') return { url, close: async () => {} };
  const server = await Child.start(new URL('throw-away.ts', import.meta.url));
  return { url: server.said, close: () => server.stop() };
}
