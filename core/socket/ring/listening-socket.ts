// A listening socket: the only ordinary descriptors of engine ring. TCP_NODELAY set here is inherited by
// every connection that is accepted.

import net from 'node:net';
import { assert } from '#core/assert.ts';
import { listenError } from '#core/socket/listen-error.ts';
import type { ListenOptions } from '#core/socket/reactor.ts';
import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import type { Libc } from '#core/socket/ring/libc.ts';
import {
  AF_INET,
  AF_INET6,
  IPPROTO_TCP,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
} from '#core/socket/ring/uapi.ts';

const BACKLOG_DEFAULT = 4096;
const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;
const PORT_OFFSET = 2;

export type SocketBuffers = Pick<ReactorSettings, 'socketSendBytes' | 'socketReceiveBytes'>;

/** Binds and listens. Throws WSAR_ERR_PORT_IN_USE or WSAR_ERR_SYSTEM. */
export function openListeningSocket(
  libc: Libc,
  options: ListenOptions,
  buffers: SocketBuffers = { socketSendBytes: 0, socketReceiveBytes: 0 },
): { fd: number; port: number } {
  const isIPv6 = net.isIPv6(options.host);
  assert(isIPv6 || net.isIPv4(options.host), `${options.host} is an IP address`);
  const family = isIPv6 ? AF_INET6 : AF_INET;
  const fd = libc.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) throw listenError(options, -fd);
  try {
    const must = (result: number): void => {
      if (result < 0) throw listenError(options, -result);
    };
    must(libc.setSocketOption(fd, SOL_SOCKET, SO_REUSEADDR, 1));
    if (options.reusePort === true) must(libc.setSocketOption(fd, SOL_SOCKET, SO_REUSEPORT, 1));
    must(libc.setSocketOption(fd, IPPROTO_TCP, TCP_NODELAY, 1));
    // Inherited by what is accepted.
    for (const [name, bytes] of [
      [SO_SNDBUF, buffers.socketSendBytes],
      [SO_RCVBUF, buffers.socketReceiveBytes],
    ] as const) {
      if (bytes > 0) must(libc.setSocketOption(fd, SOL_SOCKET, name, bytes));
    }
    const address = socketAddress(options.host, options.port, family);
    must(libc.bind(fd, address));
    must(libc.listen(fd, options.backlog ?? BACKLOG_DEFAULT));
    must(libc.socketName(fd, address));
    return { fd, port: address.readUInt16BE(PORT_OFFSET) };
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** sockaddr_in: family u16, port u16 BE, address 4; sockaddr_in6: family, port, flow u32, address 16, scope u32. */
function socketAddress(host: string, port: number, family: number): Buffer {
  const address = Buffer.alloc(family === AF_INET6 ? SOCKADDR_IN6_BYTES : SOCKADDR_IN_BYTES);
  address.writeUInt16LE(family, 0);
  address.writeUInt16BE(port, PORT_OFFSET);
  if (family === AF_INET) {
    host.split('.').forEach((part, index) => {
      address[4 + index] = Number(part);
    });
  } else {
    ipv6Bytes(host).copy(address, 8);
  }
  return address;
}

/** '::1' -> 16 bytes. The URL parser writes any valid form as at most eight hexadecimal groups. */
function ipv6Bytes(host: string): Buffer {
  const text = new URL(`http://[${host}]/`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const bytes = Buffer.alloc(16);
  before.forEach((group, index) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  });
  after.forEach((group, index) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), (8 - after.length + index) * 2);
  });
  return bytes;
}
