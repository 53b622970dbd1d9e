/** A retry policy as plain data, so that it can be stored with a webhook. Make one with `retrySchedule` or `retryExponential`. */
export type RetryPolicyData =
  | { readonly kind: 'schedule'; readonly delaysMs: readonly number[]; readonly jitter: number }
  | {
      readonly kind: 'exponential';
      readonly baseMs: number;
      readonly factor: number;
      readonly maxMs: number;
      readonly attempts: number;
      readonly jitter: number;
    };
