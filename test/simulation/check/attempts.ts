import type { AttemptRecord } from '../../../src/index.ts';
import type { StoreLawParts } from './deliveries.ts';
import type { DeliveryNotes } from './ledger.ts';

/** The log of attempts: numbered without a gap, never rewritten but from lost to late, and a row for everything that was received (I20). */
export class AttemptLaws {
  readonly #parts: StoreLawParts;

  constructor(parts: StoreLawParts) {
    this.#parts = parts;
  }

  /** Holds the log of a delivery against what it was. */
  async check(notes: DeliveryNotes): Promise<void> {
    const { findings, events } = this.#parts;
    if (notes.attemptsPruned) return;
    const { id } = notes.record;
    const attempts = await events.attempts(id);
    if (attempts.length !== notes.record.attempts)
      findings.violate('I20', `${id} counts ${notes.record.attempts} attempts and has ${attempts.length}`);
    if (attempts.some(({ number }, index) => number !== index + 1))
      findings.violate(
        'I20',
        `the attempts of ${id} are numbered ${attempts.map(({ number }) => number).join()}`,
      );
    if (new Set(attempts.map(({ token }) => token)).size !== attempts.length)
      findings.violate('I20', `two attempts of ${id} have one token`);
    for (const [index, before] of notes.attempts.entries()) {
      const now = attempts[index];
      if (now === undefined || !mayBecome(before, now))
        findings.violate('I20', `attempt ${before.number} of ${id} was rewritten`);
    }
    notes.attempts = attempts;
  }

  /** At the end: every request that arrived has its row. */
  audit({ record, receipts, attempts, attemptsPruned, claims }: DeliveryNotes): void {
    if (attemptsPruned) return;
    const open = record.status === 'delivering' ? 1 : 0;
    if (receipts.length > attempts.length + open)
      this.#parts.findings.violate(
        'I20',
        `${record.id} was received ${receipts.length} times and has ${attempts.length} attempts`,
      );
    for (const { token } of attempts)
      if (!claims.has(token))
        this.#parts.findings.violate(
          'I20',
          `an attempt of ${record.id} has token ${token}, which nobody was given`,
        );
  }
}

function mayBecome(before: AttemptRecord, now: AttemptRecord): boolean {
  if (before.token !== now.token) return false;
  if (before.error?.kind === 'lost' && now.late) return true;
  return (
    before.startedAt === now.startedAt &&
    before.late === now.late &&
    before.httpStatus === now.httpStatus &&
    before.error?.kind === now.error?.kind
  );
}
