import { connect, createServer, type Server, type Socket, type TcpNetConnectOpts } from 'node:net';
import { createSecureContext } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Dialler, type DialTarget } from '../../src/http/connector.ts';
import { manualClock } from '../../src/testing/manual-clock.ts';
import { eventually } from '../hostile/attempt.ts';

let server: Server;
let port: number;
let received: Buffer[];
let open: Set<Socket>;

beforeEach(async () => {
  received = [];
  open = new Set();
  server = createServer((socket) => {
    open.add(socket);
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  port = typeof address === 'object' ? (address?.port ?? 0) : 0;
});

afterEach(async () => {
  for (const socket of open) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

const target = (part: Partial<DialTarget>): DialTarget => ({
  hostname: 'a.test',
  port,
  secure: false,
  addresses: () => Promise.resolve(['127.0.0.1']),
  timeoutMs: 1000,
  clock: manualClock(),
  secureContext: () => createSecureContext(),
  session: undefined,
  ...part,
});

/** Runs the connector as undici does. */
function dial(dialler: Dialler): Promise<Socket> {
  return new Promise((resolve, reject) => {
    dialler.connect({ hostname: 'ignored.test', protocol: 'http:', port: '1' }, (error, socket) => {
      if (error === null) resolve(socket);
      else reject(error);
    });
  });
}

describe('Dialler', () => {
  it('dials the checked address, not the name, and leaves no timer', async () => {
    const clock = manualClock();
    const socket = await dial(new Dialler(target({ clock })));
    expect(socket.remoteAddress).toBe('127.0.0.1');
    expect(clock.pending).toBe(0);
    socket.destroy();
  });

  it.each([false, true])(
    'writes no byte to a peer other than the checked ones (TLS: %s) (N17)',
    async (secure) => {
      const astray = (options: TcpNetConnectOpts): Socket => connect({ ...options, host: '127.0.0.1' });
      const dialler = new Dialler(
        target({
          secure,
          addresses: () => Promise.resolve(['127.0.0.2']),
          hostname: '127.0.0.2',
          openSocket: astray,
        }),
      );
      await expect(dial(dialler)).rejects.toMatchObject({ kind: 'blocked', message: 'blocked by policy' });
      expect(await eventually(() => open.size === 0)).toBe(true);
      expect(received).toEqual([]);
    },
  );

  it('tries the next address when one refuses', async () => {
    const addresses = () => Promise.resolve(['127.0.0.2', '127.0.0.3', '127.0.0.1']);
    const socket = await dial(new Dialler(target({ addresses })));
    expect(socket.remoteAddress).toBe('127.0.0.1');
    socket.destroy();
  });

  it('names no address when all refuse', async () => {
    const addresses = () => Promise.resolve(['127.0.0.2', '127.0.0.3']);
    const thrown = await dial(new Dialler(target({ addresses }))).catch((error: unknown) => error);
    expect(thrown).toMatchObject({
      kind: 'refused',
      message: 'the connection was refused or the host is unreachable',
    });
  });

  it('passes on why there is no address', async () => {
    const failure = new Error('nothing found');
    await expect(
      dial(new Dialler(target({ addresses: () => Promise.reject(failure) }))),
    ).rejects.toMatchObject({ kind: 'request', cause: failure });
  });

  it('can be cancelled while it looks up, and then opens nothing', async () => {
    let found: (addresses: readonly string[]) => void = () => {};
    const dialler = new Dialler(
      target({
        addresses: () =>
          new Promise((resolve) => {
            found = resolve;
          }),
      }),
    );
    const dialled = expect(dial(dialler)).rejects.toMatchObject({ kind: 'aborted' });
    dialler.cancel();
    found(['127.0.0.1']);
    await dialled;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(open.size).toBe(0);
  });

  it('can be cancelled while it shakes hands, and closes the socket', async () => {
    const dialler = new Dialler(target({ secure: true }));
    const dialled = expect(dial(dialler)).rejects.toMatchObject({ kind: 'aborted' });
    expect(await eventually(() => received.length > 0)).toBe(true);
    dialler.cancel();
    await dialled;
    expect(await eventually(() => open.size === 0)).toBe(true);
  });

  it('leaves a connection that is ready alone when cancelled', async () => {
    const dialler = new Dialler(target({}));
    const socket = await dial(dialler);
    dialler.cancel();
    expect(socket.destroyed).toBe(false);
    socket.destroy();
  });

  it('gives up when its time is over', async () => {
    const clock = manualClock();
    const dialled = expect(
      dial(new Dialler(target({ clock, addresses: () => new Promise(() => {}) }))),
    ).rejects.toMatchObject({ kind: 'timeout' });
    await clock.advance(1000);
    await dialled;
  });
});
