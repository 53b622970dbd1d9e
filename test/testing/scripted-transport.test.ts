import { describe, expect, it } from 'vitest';
import { TransportError, type TransportRequest } from '../../src/http/transport.ts';
import { byUrl, manualClock, type ScriptedAnswer, scriptedTransport } from '../../src/testing/index.ts';

/** A request whose end is told by `abort`. */
function aRequest(fields: Partial<TransportRequest> = {}): { request: TransportRequest; abort: () => void } {
  const controller = new AbortController();
  const { signal } = controller;
  const request: TransportRequest = {
    url: 'https://example.com/',
    method: 'POST',
    headers: { 'webhook-id': 'evt_1' },
    body: new TextEncoder().encode('{"ä":1}'),
    maxResponseBytes: 16,
    signal,
    onAbort: (listener) => (signal.aborted ? listener() : signal.addEventListener('abort', listener)),
    ...fields,
  };
  return { request, abort: () => controller.abort() };
}

/** An answer that takes its time. */
function delayed(afterMs: number, answer: ScriptedAnswer): ScriptedAnswer {
  // biome-ignore lint/suspicious/noThenProperty: the name of a field of the script, which nobody awaits
  return { afterMs, then: answer };
}

describe('scriptedTransport', () => {
  it('answers 200 to everything by default', async () => {
    const answer = await scriptedTransport().send(aRequest().request);
    expect(answer).toEqual({ status: 200, headers: {}, body: new Uint8Array(0) });
  });

  it('answers with status, headers and body, the body cut to what the engine reads', async () => {
    const body = 'x'.repeat(100);
    const transport = scriptedTransport({ status: 503, headers: { 'retry-after': '5' }, body });
    const answer = await transport.send(aRequest().request);
    expect([answer.status, answer.headers]).toEqual([503, { 'retry-after': '5' }]);
    expect(new TextDecoder().decode(answer.body)).toBe('x'.repeat(16));
    const bytes = scriptedTransport({ status: 200, body: Uint8Array.of(255, 0) });
    expect((await bytes.send(aRequest().request)).body).toEqual(Uint8Array.of(255, 0));
  });

  it('fails as told', async () => {
    const sending = scriptedTransport({ error: 'dns', message: 'no such name' }).send(aRequest().request);
    await expect(sending).rejects.toThrow(new TransportError('dns', 'no such name'));
    await expect(sending).rejects.toMatchObject({ kind: 'dns' });
    const silent = scriptedTransport({ error: 'reset' }).send(aRequest().request);
    await expect(silent).rejects.toMatchObject({ kind: 'reset', message: 'Scripted: reset' });
  });

  it('answers a list one after the other, the last for all further requests', async () => {
    const transport = scriptedTransport([500, { error: 'refused' }, 204]);
    const statuses: number[] = [];
    for (let n = 0; n < 5; n += 1) {
      statuses.push(
        await transport.send(aRequest().request).then(
          ({ status }) => status,
          () => 0,
        ),
      );
    }
    expect(statuses).toEqual([500, 0, 204, 204, 204]);
    expect((await scriptedTransport([]).send(aRequest().request)).status).toBe(200);
  });

  it('asks a function, with the request and its number', async () => {
    const transport = scriptedTransport(async ({ url }, n) => (url.endsWith('/slow') ? 504 : 200 + n));
    const statuses = [];
    for (const path of ['a', 'slow', 'b']) {
      const { request } = aRequest({ url: `https://example.com/${path}` });
      statuses.push((await transport.send(request)).status);
    }
    expect(statuses).toEqual([200, 504, 202]);
  });

  it('rejects with what a function throws', async () => {
    const transport = scriptedTransport(() => {
      throw new Error('a broken script');
    });
    await expect(transport.send(aRequest().request)).rejects.toThrow('a broken script');
    expect(transport.inFlight).toBe(0);
  });

  it('remembers every request as it was sent', async () => {
    const clock = manualClock(1_000);
    const transport = scriptedTransport(200, { clock });
    const body = new TextEncoder().encode('{"ä":1}');
    await transport.send(aRequest({ body }).request);
    body.fill(0);
    await clock.advance(5);
    await transport.send(aRequest({ url: 'https://example.org/' }).request);
    const [first, second] = transport.requests;
    expect(first).toMatchObject({ url: 'https://example.com/', method: 'POST', at: 1_000 });
    expect(first?.headers).toEqual({ 'webhook-id': 'evt_1' });
    expect(first?.text()).toBe('{"ä":1}');
    expect(second?.at).toBe(1_005);
    expect(transport.to('https://example.org/')).toEqual([second]);
    expect(transport.to('https://example.net/')).toEqual([]);
  });

  it('hangs until the engine ends the request', async () => {
    const transport = scriptedTransport('hang');
    const { request, abort } = aRequest();
    const sending = transport.send(request);
    await new Promise((resolve) => setImmediate(resolve));
    expect([transport.inFlight, transport.peakInFlight]).toEqual([1, 1]);
    abort();
    await expect(sending).rejects.toMatchObject({ kind: 'aborted' });
    expect([transport.inFlight, transport.peakInFlight]).toEqual([0, 1]);
  });

  it('waits on the clock, step by step, and answers', async () => {
    const clock = manualClock(0);
    const answer = delayed(10, delayed(5, 202));
    const transport = scriptedTransport(answer, { clock });
    const answered = transport.send(aRequest().request).then(({ status }) => [status, clock.now()]);
    await clock.advance(14);
    expect(transport.inFlight).toBe(1);
    await clock.advance(10);
    expect(await answered).toEqual([202, 15]);
  });

  it('gives up waiting, timer included, when the engine ends the request', async () => {
    const clock = manualClock(0);
    const transport = scriptedTransport(delayed(10, 200), { clock });
    const { request, abort } = aRequest();
    const sending = transport.send(request);
    await clock.advance(5);
    abort();
    await expect(sending).rejects.toMatchObject({ kind: 'aborted' });
    expect(clock.pending).toBe(0);
  });

  it('refuses requests once it is closed', async () => {
    const transport = scriptedTransport();
    await transport.close?.();
    await expect(transport.send(aRequest().request)).rejects.toMatchObject({ kind: 'request' });
    expect(transport.requests).toEqual([]);
  });
});

describe('byUrl', () => {
  const send = async (transport: ReturnType<typeof scriptedTransport>, url: string) =>
    transport.send(aRequest({ url }).request).then(
      ({ status }) => status,
      ({ kind }) => kind,
    );

  it('answers each URL by its own script, requests counted apart', async () => {
    const script = byUrl({ 'https://a/': [500, 200], 'https://b/': (_, n) => 201 + n }, 404);
    const transport = scriptedTransport(script);
    const urls = ['https://a/', 'https://b/', 'https://a/', 'https://b/', 'https://c/'];
    const answers = [];
    for (const url of urls) answers.push(await send(transport, url));
    expect(answers).toEqual([500, 201, 200, 202, 404]);
  });

  it('refuses a URL without a route', async () => {
    const transport = scriptedTransport(byUrl({}));
    expect(await send(transport, 'https://a/')).toBe('refused');
    expect(await send(transport, 'constructor')).toBe('refused');
  });
});
