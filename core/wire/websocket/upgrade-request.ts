// The opening handshake of a WebSocket (RFC 6455 section 4.2): an HTTP/1.1 request, read line by line as it
// comes, so that of a slow or hostile client at most one line is held. What is wrong is answered with a
// status and a sentence, never guessed around.
//
//   GET /mqtt HTTP/1.1
//   Host: ..., Upgrade: websocket, Connection: Upgrade, Sec-WebSocket-Version: 13,
//   Sec-WebSocket-Key: <16 bytes, base64>, Sec-WebSocket-Protocol: mqtt
//
// A request with an Origin comes from a page in a browser, and any page on the web can reach a port of the
// loopback interface that way: only listed origins may.

import { acceptFor } from '#core/wire/websocket/client-handshake.ts';

/** The longest line that matters and the longest request. */
const LINE_BYTES_MAX = 512;
const REQUEST_BYTES_MAX = 4096;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

const LF = 0x0a;
const CR = 0x0d;

const STATUS_TEXT: Record<number, string> = {
  400: 'Bad Request',
  403: 'Forbidden',
  426: 'Upgrade Required',
  431: 'Request Header Fields Too Large',
};

export class UpgradeRequest {
  /** 0 while it goes on, 101 when it is whole and right, else the status of the refusal. */
  status = 0;
  /** The sentence of the refusal. */
  reason = '';
  readonly #origins: readonly string[];
  readonly #protocols: readonly string[];
  #line = '';
  #bytes = 0;
  #isFirst = true;
  readonly #fields = new Map<string, string>();

  /**
   * `origins`: from which pages browsers may come; '*' means any. `protocols`: subprotocols of which one has to be
   * offered, the first that is gets taken; none = it does not matter, and none is taken.
   */
  constructor(origins: readonly string[], protocols: readonly string[]) {
    this.#origins = origins;
    this.#protocols = protocols;
  }

  /** Takes bytes; returns where the request ended, or `end`. */
  take(bytes: Uint8Array, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      if (++this.#bytes > REQUEST_BYTES_MAX)
        return this.#refuse(431, 'the request is too long', end);
      if (byte === LF) {
        if (!this.#line.endsWith('\r')) return this.#refuse(400, 'a line ends without CR', end);
        const line = this.#line.slice(0, -1);
        this.#line = '';
        if (line.includes('\r')) return this.#refuse(400, 'a CR within a line', end);
        if (line === '' && !this.#isFirst) {
          this.#judge();
          return at + 1;
        }
        this.#takeLine(line);
        if (this.status !== 0) return end;
      } else if (byte !== 0x09 && byte !== CR && (byte < 0x20 || byte > 0x7e)) {
        return this.#refuse(400, 'a character that no header may have', end);
      } else if (this.#line.length < LINE_BYTES_MAX) {
        this.#line += String.fromCharCode(byte);
      } else if (!isIgnored(this.#line)) {
        return this.#refuse(431, 'a header is too long', end);
      } else if (byte === CR) {
        // The rest of a long line that does not matter is not kept; its end is.
        this.#line = `${this.#line.slice(0, LINE_BYTES_MAX - 1)}\r`;
      }
    }
    return end;
  }

  /** The answer, whatever it is. */
  get answer(): string {
    if (this.status === 101) {
      const key = this.#fields.get('sec-websocket-key')!;
      const protocol = this.#protocol();
      const taken = protocol === undefined ? '' : `Sec-WebSocket-Protocol: ${protocol}\r\n`;
      return (
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${acceptFor(key)}\r\n${taken}\r\n`
      );
    }
    const body = `${this.reason}\n`;
    const version =
      this.status === 426 ? 'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' : '';
    return (
      `HTTP/1.1 ${this.status} ${STATUS_TEXT[this.status]}\r\n${version}Connection: close\r\n` +
      `Content-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    );
  }

  #takeLine(line: string): void {
    if (this.#isFirst) {
      this.#isFirst = false;
      const match = /^(\S+) \S+ HTTP\/(\d)\.(\d)$/.exec(line);
      if (match === null) this.#refuse(400, 'this is no HTTP request', 0);
      else if (match[1] !== 'GET') this.#refuse(400, 'a WebSocket begins with GET', 0);
      else if (match[2] !== '1' || match[3] === '0') this.#refuse(400, 'HTTP/1.1 is needed', 0);
      return;
    }
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0));
    if (!TOKEN.test(name)) {
      this.#refuse(400, 'a line is no header', 0);
      return;
    }
    const key = name.toLowerCase();
    if (isIgnored(line)) return;
    const value = line.slice(colon + 1).trim();
    const before = this.#fields.get(key);
    const isList = key === 'connection' || key === 'upgrade' || key === 'sec-websocket-protocol';
    if (before !== undefined && !isList) this.#refuse(400, `two headers ${key}`, 0);
    else this.#fields.set(key, before === undefined ? value : `${before}, ${value}`);
  }

  /** The whole request is here. */
  #judge(): void {
    const has = (name: string, token: string): boolean =>
      this.#list(name).some((word) => word.toLowerCase() === token);
    const origin = this.#fields.get('origin');
    const key = this.#fields.get('sec-websocket-key') ?? '';
    if (!this.#fields.has('host')) this.#refuse(400, 'Host is missing', 0);
    else if (!has('upgrade', 'websocket') || !has('connection', 'upgrade')) {
      this.#refuse(400, 'this port speaks MQTT over WebSocket', 0);
    } else if (this.#fields.get('sec-websocket-version') !== '13') {
      this.#refuse(426, 'version 13 of WebSocket is needed', 0);
    } else if (!isKey(key)) this.#refuse(400, 'Sec-WebSocket-Key is not 16 bytes in base64', 0);
    else if (this.#protocols.length > 0 && this.#protocol() === undefined) {
      this.#refuse(400, `the subprotocol '${this.#protocols[0]}' has to be offered`, 0);
    } else if (origin !== undefined && !this.#isKnownOrigin(origin)) {
      this.#refuse(403, 'pages of this origin may not connect', 0);
    } else this.status = 101;
  }

  #isKnownOrigin(origin: string): boolean {
    return this.#origins.includes('*') || this.#origins.includes(origin);
  }

  #protocol(): string | undefined {
    const offered = this.#list('sec-websocket-protocol');
    return this.#protocols.find((known) => offered.includes(known));
  }

  #list(name: string): string[] {
    return (this.#fields.get(name) ?? '').split(',').map((word) => word.trim());
  }

  #refuse(status: number, reason: string, end: number): number {
    this.status = status;
    this.reason = reason;
    return end;
  }
}

/** Headers that mean nothing here, like cookies: they may be long. The first line is none. */
function isIgnored(line: string): boolean {
  const name = /^([^:\s]+):/.exec(line)?.[1]?.toLowerCase();
  return (
    name !== undefined &&
    !['host', 'upgrade', 'connection', 'origin'].includes(name) &&
    !/^sec-websocket-(key|version|protocol)$/.test(name)
  );
}

function isKey(text: string): boolean {
  return text.length === 24 && /^[A-Za-z0-9+/]{22}==$/.test(text);
}
