import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DueQueue, type Ticket } from '../../src/memory/due-queue.ts';

/** A number that counts how often it is compared. */
function counted(value: number, count: () => void): number {
  const number = {
    valueOf: () => {
      count();
      return value;
    },
  };
  return number as unknown as number;
}

describe('DueQueue', () => {
  it('takes by instant, then by order, and nothing before its time', () => {
    const queue = new DueQueue<string>();
    queue.add('c', 20, 3);
    queue.add('b', 10, 2);
    queue.add('a', 10, 1);
    expect([queue.nextAt, queue.size]).toEqual([10, 3]);
    expect([queue.takeDue(9), queue.takeDue(10), queue.takeDue(10), queue.takeDue(10)]).toEqual([
      undefined,
      'a',
      'b',
      undefined,
    ]);
    expect([queue.nextAt, queue.size]).toEqual([20, 1]);
  });

  it('behaves like a sorted list, and never keeps many dropped tickets', () => {
    const command = fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('add'), at: fc.nat(50) }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('drop'), at: fc.nat(1_000) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('take'), at: fc.nat(60) }) },
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 400 }), (commands) => {
        const queue = new DueQueue<number>();
        let model: { at: number; order: number }[] = [];
        const tickets: Ticket<number>[] = [];
        for (const [order, { kind, at }] of commands.entries()) {
          if (kind === 'add') {
            tickets.push(queue.add(order, at, order));
            model.push({ at, order });
            model.sort((a, b) => a.at - b.at || a.order - b.order);
          } else if (kind === 'drop' && tickets.length > 0) {
            const ticket = tickets[at % tickets.length] as Ticket<number>;
            queue.drop(ticket);
            model = model.filter((one) => one.order !== ticket.order);
          } else if (kind === 'take') {
            const first = model[0];
            const isDue = first !== undefined && first.at <= at;
            expect(queue.takeDue(at)).toBe(isDue ? first.order : undefined);
            if (isDue) model.shift();
          }
          expect([queue.size, queue.nextAt]).toEqual([model.length, model[0]?.at]);
          expect(queue.held).toBeLessThanOrEqual(2 * queue.size + 65);
        }
      }),
    );
  });

  it('forgets leases that were ended early, however many there were', () => {
    const queue = new DueQueue<number>();
    for (let n = 0; n < 100_000; n += 1) queue.drop(queue.add(n, n + 30_000, n));
    expect([queue.size, queue.nextAt]).toEqual([0, undefined]);
    expect(queue.held).toBeLessThan(100);
  });

  it('costs no more than the logarithm of what waits', () => {
    const comparisons = (waiting: number): number => {
      let compared = 0;
      const count = () => {
        compared += 1;
      };
      const queue = new DueQueue<number>();
      for (let n = 0; n < waiting; n += 1) queue.add(n, counted(n, count), n);
      compared = 0;
      for (let n = 0; n < 100; n += 1)
        queue.drop(queue.add(queue.takeDue(waiting) ?? 0, counted(waiting, count), n));
      return compared / 100;
    };
    const [few, many] = [comparisons(1_000), comparisons(64_000)];
    expect(many).toBeLessThan(few * 2);
  });
});
