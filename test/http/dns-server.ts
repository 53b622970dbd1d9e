import { createSocket } from 'node:dgram';
import { isIPv4 } from 'node:net';

/** What a name server says of a name: addresses, an error code (2: failure, 3: no such name), or nothing at all. */
export type DnsAnswer =
  | { readonly a?: readonly string[]; readonly aaaa?: readonly string[] }
  | number
  | 'silence';

/** A name server on loopback. */
export interface DnsServer {
  /** `address:port`. */
  readonly address: string;
  /** Names asked for, once per question. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

const TYPE_A = 1;
const TYPE_AAAA = 28;

/** Just enough of RFC 1035 to answer one question per packet. Names that are not listed do not exist. */
export async function startDns(names: Readonly<Record<string, DnsAnswer>>): Promise<DnsServer> {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (query, from) => {
    const { name, end } = nameIn(query);
    asked.push(name);
    const answer = names[name] ?? 3;
    if (answer !== 'silence') socket.send(reply(query, end, answer), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

function nameIn(query: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 5 };
}

function reply(query: Buffer, end: number, answer: Exclude<DnsAnswer, 'silence'>): Buffer {
  const type = query.readUInt16BE(end - 4);
  const failure = typeof answer === 'number' ? answer : 0;
  const records =
    typeof answer === 'number'
      ? []
      : ((type === TYPE_A ? answer.a : type === TYPE_AAAA ? answer.aaaa : []) ?? []);
  const head = Buffer.alloc(12);
  query.copy(head, 0, 0, 2);
  head.writeUInt16BE(0x8180 | failure, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  return Buffer.concat([head, query.subarray(12, end), ...records.map((address) => record(type, address))]);
}

function record(type: number, address: string): Buffer {
  const bytes = isIPv4(address)
    ? address.split('.').map(Number)
    : groupsOf(address).flatMap((g) => [g >> 8, g & 255]);
  // To be kept for no time: the resolver of Node 22.13 would answer the next question itself.
  const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, bytes.length]);
  return Buffer.concat([head, Buffer.from(bytes)]);
}

function groupsOf(address: string): number[] {
  const [left = '', right = ''] = address.split('::');
  const parse = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((g) => Number.parseInt(g, 16));
  const head = parse(left);
  const tail = parse(right);
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}
