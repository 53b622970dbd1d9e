/** What errors of `node:sqlite` mean. Their `errcode` is SQLite's extended result code; its low byte is the primary one. */

const PRIMARY = 0xff;
const GENERIC = 1;
const BUSY = 5;
const LOCKED = 6;
/** A transaction that began with a read and can never write any more, because somebody else has written since. */
const BUSY_SNAPSHOT = 517;
const CONSTRAINT = 19;

/** SQLite's extended result code; undefined for any other error. */
function errcodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode : undefined;
}

/** Whether somebody else holds the lock that was needed, so that the same call can work a little later. */
export function isBusy(error: unknown): boolean {
  const code = errcodeOf(error);
  if (code === undefined || code === BUSY_SNAPSHOT) return false;
  return (code & PRIMARY) === BUSY || (code & PRIMARY) === LOCKED;
}

/** Whether a row that must be unique (or not null) is not. */
export function isConstraint(error: unknown): boolean {
  const code = errcodeOf(error);
  return code !== undefined && (code & PRIMARY) === CONSTRAINT;
}

/** Whether a BEGIN was refused because this connection is in a transaction. SQLite has no code of its own for that. */
export function isNestedBegin(error: unknown): boolean {
  if (errcodeOf(error) !== GENERIC) return false;
  return error instanceof Error && error.message.includes('within a transaction');
}
