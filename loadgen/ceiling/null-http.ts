// An HTTP server that does nothing: answers every request with one byte, as soon as its body (Content-Length) is here.
// What autocannon reaches against it is its ceiling.
//
// Cost: a text of each head; as many connections as autocannon has.

import type { Conn } from '#core/socket/reactor.ts';
import { NullHandler } from '#loadgen/ceiling/null-handler.ts';

const HEAD_CHARS_MAX = 8192;
const ANSWER = new TextEncoder().encode('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n.');

interface Request {
  /** Of a head that came in part. */
  head: string;
  /** Bytes of the body that have not come. */
  left: number;
}

export class NullHttp extends NullHandler {
  readonly #requests = new Map<Conn, Request>();

  override onData(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    const request = this.#requests.get(conn) ?? { head: '', left: 0 };
    this.#requests.set(conn, request);
    let at = start;
    while (at < end) {
      if (request.left > 0) {
        const taken = Math.min(request.left, end - at);
        request.left -= taken;
        at += taken;
      } else {
        const before = request.head.length;
        request.head += Buffer.from(bytes.subarray(at, end)).toString('latin1');
        const blank = request.head.indexOf('\r\n\r\n');
        if (blank < 0) {
          if (request.head.length > HEAD_CHARS_MAX) this.reactor?.abort(conn);
          return;
        }
        at += blank + 4 - before;
        const length = /^content-length: *(\d+)/im.exec(request.head.slice(0, blank))?.[1];
        request.left = Number(length ?? 0);
        request.head = '';
      }
      if (request.left === 0) this.reactor?.send(conn, ANSWER, 0, ANSWER.length);
    }
  }

  override onClose(conn: Conn): void {
    this.#requests.delete(conn);
  }
}
