import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import type { Surehook } from 'surehook';

/** The host: a table and a connection of its own. Surehook's tables are in the same file. */
export class Shop {
  readonly db: DatabaseSync;

  constructor(file: string) {
    this.db = new DatabaseSync(file);
    // Two connections write to this file, and one waits for the other.
    this.db.exec('PRAGMA busy_timeout = 5000');
    this.db.exec('CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, placed_at INTEGER NOT NULL)');
  }

  /**
   * Stores an order and its event in one transaction: a kill at any moment leaves both or neither. Nothing else may use the connection
   * until it resolves, or it would be in the transaction too.
   */
  async placeOrder(surehook: Surehook): Promise<void> {
    const order = randomUUID();
    this.db.exec('BEGIN IMMEDIATE');
    try {
      this.db.prepare('INSERT INTO orders VALUES (?, ?)').run(order, Date.now());
      await surehook.publish({ type: 'order.placed', data: { order } }, { tx: this.db });
      this.db.exec('COMMIT');
    } catch (error) {
      this.db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Ids of all orders of all runs. */
  orders(): string[] {
    return this.db
      .prepare('SELECT id FROM orders')
      .all()
      .map(({ id }) => String(id));
  }

  close(): void {
    this.db.close();
  }
}
