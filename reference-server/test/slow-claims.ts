// Clients that claim much and never log in: for the test and the bench of what they cost.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** What a claim sends, and then nothing more. All but the second are held until the time for logins is over. */
const CLAIMS = [
  // A CONNECT of 256 MiB, but for the last byte of its length.
  Buffer.from('10ffffff', 'hex'),
  // The same with that byte: refused at once.
  Buffer.from('10ffffff7f00044d515454', 'hex'),
  // The largest CONNECT that is taken, 4 KiB, of which 500 bytes come.
  Buffer.concat([Buffer.from('10fd1f00044d51545404020000', 'hex'), Buffer.alloc(487, 'x')]),
  // Nothing.
  Buffer.alloc(0),
];

export interface Claims {
  /** Resolves when the server has ended every one. */
  closed: Promise<void>;
  readonly open: number;
  destroy(): void;
}

/** Opens `count` connections to a server on this host, `abreast` at a time; resolves when all have claimed. */
export async function openClaims(port: number, count: number, abreast = 200): Promise<Claims> {
  const sockets: Socket[] = [];
  let open = 0;
  const ends: Promise<unknown>[] = [];
  const lane = async (): Promise<void> => {
    while (sockets.length < count) {
      const index = sockets.length;
      const socket = connect(port, '127.0.0.1');
      sockets.push(socket);
      socket.on('error', () => {});
      await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
      open++;
      ends.push(new Promise((resolve) => socket.once('close', resolve)).then(() => open--));
      socket.resume();
      socket.write(CLAIMS[index % CLAIMS.length]!);
    }
  };
  await Promise.all(Array.from({ length: abreast }, lane));
  return {
    closed: Promise.all(ends).then(() => {}),
    get open() {
      return open;
    },
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
  };
}
