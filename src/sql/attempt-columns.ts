import type { AttemptData, AttemptRecord } from '../domain/delivery.ts';

/** What became of the claim that an attempt was made under. */
export const attemptKinds = {
  /** It settled its delivery. */
  settled: 0,
  /** Nobody reported it. */
  lost: 1,
  /** Its worker reported too late. */
  late: 2,
} as const;

/** An attempt in columns; the delivery it belongs to is the store's own matter. */
export interface AttemptColumns {
  readonly number: number;
  readonly token: number;
  /** Of `attemptKinds`. */
  readonly kind: number;
  /** JSON text of `attemptText`: one value to bind and to read, and no character that a text column could refuse. */
  readonly data: string;
}

/** What is stored of an attempt beside its number, token and kind. */
export function attemptText(attempt: AttemptData): string {
  return JSON.stringify({
    startedAt: attempt.startedAt,
    durationMs: attempt.durationMs,
    httpStatus: attempt.httpStatus,
    responseBody: attempt.responseBody,
    responseHeaders: attempt.responseHeaders,
    request: attempt.request,
    error: attempt.error,
    counted: attempt.counted,
  } satisfies { [Field in keyof Required<AttemptData>]: AttemptData[Field] | undefined });
}

/** The attempt of columns. */
export function attemptOf(columns: AttemptColumns): AttemptRecord {
  const data: AttemptData = JSON.parse(columns.data);
  const { number, token, kind } = columns;
  return { ...data, number, token, late: kind === attemptKinds.late };
}

/** The attempt of a claim whose outcome nobody recorded: it lasted as long as its lease. `claimedAt` and `leaseUntil`: epoch ms. */
export function lostAttempt(claimedAt: number, leaseUntil: number): AttemptData {
  return {
    startedAt: claimedAt,
    durationMs: Math.max(0, leaseUntil - claimedAt),
    httpStatus: 0,
    responseBody: '',
    request: { url: '', headers: {} },
    error: { kind: 'lost', message: 'The worker that held this claim never reported its outcome' },
    counted: false,
  };
}
