/** The reporter: who hears what, on listeners and on channels, and who is not disturbed by it. */
import { type ChannelListener, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { HostCodeError } from '../src/errors.ts';
import { Reporter } from '../src/events.ts';

const deleted = { webhookId: 'whk_1' };
const NAME = 'webhook:deleted';
const CHANNEL = `surehook:${NAME}`;

let reporter = new Reporter();
let subscribed: [channel: string, subscriber: ChannelListener][] = [];

beforeEach(() => {
  reporter = new Reporter();
});

afterEach(() => {
  for (const [channel, subscriber] of subscribed) unsubscribe(channel, subscriber);
  subscribed = [];
});

/** Subscribes until the test ends. */
function follow(channel: string, subscriber: ChannelListener): void {
  subscribe(channel, subscriber);
  subscribed.push([channel, subscriber]);
}

describe('a channel', () => {
  test('gets the very argument of the listeners, and its own name', () => {
    const [listener, subscriber] = [vi.fn(), vi.fn()];
    reporter.add(NAME, listener, false);
    follow(CHANNEL, subscriber);
    reporter.emit(NAME, deleted);
    expect(subscriber.mock.calls).toEqual([[deleted, CHANNEL]]);
    expect(subscriber.mock.calls[0]?.[0]).toBe(deleted);
    expect(listener.mock.calls).toEqual([[deleted]]);
  });

  test('counts as somebody who wants the event for as long as somebody is subscribed', () => {
    const subscriber = (): void => {};
    expect(reporter.wants(NAME)).toBe(false);
    subscribe(CHANNEL, subscriber);
    expect(reporter.wants(NAME)).toBe(true);
    expect(reporter.wants('webhook:created')).toBe(false);
    unsubscribe(CHANNEL, subscriber);
    expect(reporter.wants(NAME)).toBe(false);
  });

  test('is the same for all surehooks of the process', () => {
    const subscriber = vi.fn();
    follow(CHANNEL, subscriber);
    reporter.emit(NAME, deleted);
    new Reporter().emit(NAME, deleted);
    expect(subscriber).toHaveBeenCalledTimes(2);
  });

  test('of errors gets the error, also that of a listener that threw', () => {
    const subscriber = vi.fn();
    follow('surehook:error', subscriber);
    const cause = new Error('mine');
    reporter.add(
      NAME,
      () => {
        throw cause;
      },
      false,
    );
    reporter.emit(NAME, deleted);
    const [error] = subscriber.mock.calls[0] ?? [];
    expect(error).toBeInstanceOf(HostCodeError);
    expect(error).toMatchObject({ message: expect.stringContaining(NAME), cause });
  });

  test('whose subscriber throws disturbs neither the caller nor the others; Node reports it in a later tick', async () => {
    const theirs = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    try {
      const caught = new Promise((resolve) => process.once('uncaughtException', resolve));
      const error = new Error('of a subscriber');
      const others = vi.fn();
      follow(CHANNEL, () => {
        throw error;
      });
      follow(CHANNEL, others);
      reporter.emit(NAME, deleted);
      expect(others).toHaveBeenCalledTimes(1);
      expect(await caught).toBe(error);
    } finally {
      for (const listener of theirs) process.on('uncaughtException', listener);
    }
  });
});

describe('a listener', () => {
  test('is wanted for until it is removed, and once only where that was asked for', () => {
    const [always, once] = [vi.fn(), vi.fn()];
    reporter.add(NAME, always, false);
    reporter.add(NAME, once, true);
    reporter.emit(NAME, deleted);
    reporter.remove(NAME, always);
    expect(reporter.wants(NAME)).toBe(false);
    reporter.emit(NAME, deleted);
    expect(always).toHaveBeenCalledTimes(1);
    expect(once).toHaveBeenCalledTimes(1);
  });

  test('must be a function', () => {
    expect(() => reporter.add(NAME, 'print' as never, false)).toThrow(
      new TypeError('The listener of webhook:deleted must be a function, not "print"'),
    );
  });
});
