import type { OutcomeTally } from '../domain/tally.ts';

/** A tally in columns. */
export interface TallyColumns {
  readonly webhook_id: string;
  readonly starts_at: number;
  readonly writer: string;
  /** JSON text of `tallyText`. */
  readonly data: string;
}

/** What `data` holds. */
type Counts = Omit<OutcomeTally, 'webhookId' | 'startsAt' | 'writer'>;

/** What is stored of a tally beside its key. */
export function tallyText({
  succeeded,
  failed,
  latencies,
  lastSuccessAt,
  lastFailure,
}: OutcomeTally): string {
  return JSON.stringify({ succeeded, failed, latencies, lastSuccessAt, lastFailure } satisfies {
    [Field in keyof Required<Counts>]: Counts[Field] | undefined;
  });
}

/** The tally of columns. */
export function tallyOf({ webhook_id, starts_at, writer, data }: TallyColumns): OutcomeTally {
  const counts: Counts = JSON.parse(data);
  return { ...counts, webhookId: webhook_id, startsAt: starts_at, writer };
}
