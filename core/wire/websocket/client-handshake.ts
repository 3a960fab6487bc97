// The client's side of the opening handshake of WebSocket (RFC 6455, 4.1): the request, and the judgement
// of the answer. Pure.

import { createHash } from 'node:crypto';

const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** A server that says more than this before the first frame is not meant for machines. */
export const UPGRADE_ANSWER_BYTES_MAX = 8192;

export interface UpgradeAsk {
  /** As in the Host header. */
  host: string;
  path: string;
  /** Subprotocol; undefined = none. */
  protocol: string | undefined;
  /** 16 bytes in base64. */
  key: string;
}

export function upgradeRequest({ host, path, protocol, key }: UpgradeAsk): string {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`,
    'Sec-WebSocket-Version: 13',
    ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
    '\r\n',
  ].join('\r\n');
}

/** What a server answers to `key`. */
export function acceptFor(key: string): string {
  return createHash('sha1')
    .update(key + MAGIC)
    .digest('base64');
}

/**
 * Looks at what has come of the answer: undefined while its header is not complete, else where the first
 * frame begins and what is wrong ('' = nothing).
 */
export function judgeUpgrade(
  answer: string,
  accept: string,
  protocol: string | undefined,
): { end: number; flaw: string } | undefined {
  const end = answer.indexOf('\r\n\r\n');
  if (end < 0) {
    const isTooLong = answer.length > UPGRADE_ANSWER_BYTES_MAX;
    return isTooLong
      ? { end: 0, flaw: 'sent an answer to the upgrade that never ends' }
      : undefined;
  }
  const [status = '', ...lines] = answer.slice(0, end).split('\r\n');
  return { end: end + 4, flaw: flawOf(status, lines, accept, protocol) };
}

function flawOf(
  status: string,
  lines: string[],
  accept: string,
  protocol: string | undefined,
): string {
  if (!status.startsWith('HTTP/1.1 101')) {
    return `refused the upgrade to WebSocket: ${status.slice(0, 80)}`;
  }
  const field = (name: string): string | undefined =>
    lines
      .find((line) => line.toLowerCase().startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
  if (field('sec-websocket-accept') !== accept) return 'sent a wrong Sec-WebSocket-Accept';
  const chosen = field('sec-websocket-protocol');
  if (chosen !== protocol) return `chose the subprotocol ${chosen ?? '(none)'}`;
  return '';
}
