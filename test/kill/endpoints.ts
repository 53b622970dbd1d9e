/** What an endpoint does with a receipt. `null`: it never answers. */
type Behaviour = (receipt: {
  /** Receipts of the same event here before. */
  readonly earlier: number;
  /** A number of the event's own. */
  readonly lot: number;
  readonly at: number;
}) => {
  readonly status: number;
  readonly afterMs: number;
} | null;

/** An endpoint and what its webhook wants. */
export interface Endpoint {
  readonly path: string;
  /** The pattern of what its webhook is subscribed to. @default everything */
  readonly events?: string;
  readonly semantics: 'at-least-once' | 'at-most-once';
  readonly behave: Behaviour;
}

/** The longest that an endpoint takes, where it answers. */
export const SLOWEST_MS = 900;

const well = { status: 200, afterMs: 0 };

/** Good ones and bad ones; every one of them takes everything in the end. */
export const endpoints: readonly Endpoint[] = [
  { path: '/quick', semantics: 'at-least-once', behave: () => well },
  { path: '/other', semantics: 'at-least-once', behave: () => well },
  {
    path: '/fails-first',
    semantics: 'at-least-once',
    behave: ({ earlier, lot }) => (lot % 12 < 2 && earlier <= lot % 2 ? { status: 500, afterMs: 0 } : well),
  },
  {
    path: '/slow',
    semantics: 'at-least-once',
    behave: ({ lot }) => ({ status: 200, afterMs: 10 + (lot % 60) }),
  },
  {
    // So long that a worker which slept through its lease wakes up while another's request is under way.
    path: '/long',
    events: 'kill.long',
    semantics: 'at-least-once',
    behave: ({ lot }) => ({ status: 200, afterMs: SLOWEST_MS - 200 + (lot % 200) }),
  },
  {
    path: '/rests',
    semantics: 'at-least-once',
    behave: ({ at }) => (at % 4_000 < 1_200 ? { status: 503, afterMs: 0 } : well),
  },
  {
    path: '/mute',
    semantics: 'at-least-once',
    behave: ({ earlier, lot }) => (earlier === 0 && lot % 40 === 0 ? null : well),
  },
  { path: '/once', semantics: 'at-most-once', behave: ({ lot }) => ({ status: 200, afterMs: lot % 40 }) },
  {
    path: '/once-or-never',
    semantics: 'at-most-once',
    behave: ({ lot }) => (lot % 10 === 0 ? { status: 500, afterMs: 0 } : { status: 200, afterMs: 20 }),
  },
];
