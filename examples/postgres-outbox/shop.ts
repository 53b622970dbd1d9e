import type { Pool } from 'pg';
import type { Surehook } from 'surehook';
import { migrate } from 'surehook/postgres';
import { surehookSchema } from './outbox.ts';

/** What a customer wants. */
interface Order {
  readonly id: string;
  readonly item: string;
}

/** There is none left. */
export class SoldOutError extends Error {}

/**
 * Stores the order, its event, and what is left of the item, in one transaction: all of it, or, whatever goes wrong and whenever, nothing. Nobody
 * hears of an order that was rolled back, and none that was committed is kept quiet.
 */
export async function placeOrder(pool: Pool, surehook: Surehook, order: Order): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('INSERT INTO outbox_shop.orders (id, item) VALUES ($1, $2)', [order.id, order.item]);
    await surehook.publish({ type: 'order.placed', id: eventIdOf(order.id), data: order }, { tx: client });
    const { rowCount } = await client.query(
      'UPDATE outbox_shop.stock SET count = count - 1 WHERE item = $1 AND count > 0',
      [order.item],
    );
    if (rowCount === 0) throw new SoldOutError(order.item);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

/** An id of one's own is optional. With this one an order cannot have two events, and its event is easily found. */
export function eventIdOf(orderId: string): string {
  return `evt_${orderId}`;
}

/** Ids of all orders. */
export async function takenOrders(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>('SELECT id FROM outbox_shop.orders');
  return rows.map(({ id }) => id);
}

/** The shop's tables, empty but for the stock, and Surehook's. */
export async function makeTables(pool: Pool): Promise<void> {
  await dropTables(pool);
  await pool.query(`
    CREATE SCHEMA outbox_shop;
    CREATE TABLE outbox_shop.orders (id text PRIMARY KEY, item text NOT NULL);
    CREATE TABLE outbox_shop.stock (item text PRIMARY KEY, count integer NOT NULL);
    INSERT INTO outbox_shop.stock VALUES ('lamp', 1000000), ('unicorn', 0)`);
  await migrate(pool, { schema: surehookSchema });
}

/** Leaves the database as it was. */
export async function dropTables(pool: Pool): Promise<void> {
  await pool.query(`SET client_min_messages = warning;
    DROP SCHEMA IF EXISTS outbox_shop CASCADE;
    DROP SCHEMA IF EXISTS ${surehookSchema} CASCADE`);
}
