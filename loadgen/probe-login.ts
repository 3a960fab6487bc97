// One login before the crowd: says in one sentence what is wrong with a target that cannot be used,
// when nothing has been started yet. An ordinary socket of the main thread, bounded time; like
// every other user it leaves no TIME_WAIT behind (see population.ts).

import { connect, type Socket } from 'node:net';
import type { Clock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { formatIpv4 } from '#core/host/ipv4.ts';
import { encodeConnect, encodeDisconnect } from '#core/wire/mqtt/encode.ts';
import { frameLength } from '#core/wire/mqtt/frame.ts';
import { CONNACK, PACKET } from '#core/wire/mqtt/packet.ts';
import type { ResolvedTarget } from '#loadgen/target.ts';

/** A server that has not answered by then will not answer a crowd. */
const ANSWER_TIMEOUT_MS = 5000;
/**
 * The standard wants the server to close after DISCONNECT; one that has not by then leaves it to
 * us.
 */
const GOODBYE_TIMEOUT_MS = 500;
/** CONNACK is four bytes. */
const ANSWER_BYTES_MAX = 64;

/** Why a server says no (MQTT 3.1.1, table 3.1). */
const REFUSALS: Record<number, string> = {
  [CONNACK.protocolRefused]: 'it does not speak MQTT 3.1.1',
  [CONNACK.clientIdRefused]: 'it does not take this client id',
  [CONNACK.unavailable]: 'it is not available',
  [CONNACK.badLogin]: 'it wants a user name and password',
  [CONNACK.notAuthorized]: 'the user is not authorized',
};

/** Words for a CONNACK code, or for the 0x80 of a refused subscription. */
export function refusalText(code: number): string {
  return REFUSALS[code] ?? (code === 0x80 ? 'it refused the subscription' : `code ${code}`);
}

/**
 * Logs `clientId` in and out, from the address `from` when there is one. Throws
 * WSAR_ERR_UNREACHABLE with what went wrong, WSAR_ERR_USAGE when `from` is not of this host.
 */
export async function probeLogin(
  target: ResolvedTarget,
  clientId: string,
  from: string | undefined,
  clock: Clock,
): Promise<void> {
  const socket = connect({
    host: formatIpv4(target.address),
    port: target.port,
    allowHalfOpen: true,
    ...(from === undefined ? {} : { localAddress: from }),
  });
  socket.setNoDelay(true);
  try {
    const flaw = await askForLogin(socket, clientId, from, clock);
    if (flaw !== undefined) throw unusable(`${target.text} ${flaw}`);
  } finally {
    socket.resetAndDestroy();
  }
}

/** Resolves with what is wrong, or undefined after a clean login and goodbye. */
function askForLogin(
  socket: Socket,
  clientId: string,
  from: string | undefined,
  clock: Clock,
): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let answer = Buffer.alloc(0);
    let isIn = false;
    let isConnected = false;
    let cancel = clock.after(ANSWER_TIMEOUT_MS, () => {
      const did = isConnected
        ? 'accepts connections but did not answer a login'
        : 'did not answer a connection';
      finish(`${did} within ${ANSWER_TIMEOUT_MS / 1000} s`);
    });
    const finish = (flaw: string | undefined): void => {
      cancel();
      resolve(flaw);
    };
    socket.on('connect', () => {
      isConnected = true;
      const bytes = new Uint8Array(64);
      const end = encodeConnect(bytes, 0, { clientId, keepAliveS: 60, cleanSession: true });
      socket.write(bytes.subarray(0, end));
    });
    socket.on('data', (bytes: Buffer) => {
      if (isIn) return;
      answer = Buffer.concat([answer, bytes]);
      const length = frameLength(answer, 0, answer.length, ANSWER_BYTES_MAX);
      if (length === 0) return;
      const code = answer[3];
      if (length !== 4 || answer[0]! >>> 4 !== PACKET.connack) {
        finish('is no MQTT server: its answer to a login is no CONNACK');
      } else if (code !== CONNACK.accepted) finish(`refused the login: ${refusalText(code!)}`);
      else {
        isIn = true;
        const goodbye = new Uint8Array(2);
        encodeDisconnect(goodbye, 0);
        socket.write(goodbye);
        cancel();
        cancel = clock.after(GOODBYE_TIMEOUT_MS, () => finish(undefined));
      }
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const isForeign = error.code === 'EADDRNOTAVAIL' && from !== undefined;
      if (isForeign) reject(foreignSource(from));
      finish(isIn ? undefined : `cannot be reached: ${error.code ?? error.message}`);
    });
    socket.on('end', () => {
      finish(isIn ? undefined : 'closed the connection instead of answering a login');
    });
  });
}

function unusable(what: string): WsarError {
  return new WsarError('WSAR_ERR_UNREACHABLE', what, 'is the server running, and on that port?');
}

function foreignSource(from: string): WsarError {
  return new WsarError(
    'WSAR_ERR_USAGE',
    `connections shall come from ${from}, which is no address of this host`,
    'take a block that is, for example --sources 127.1.0.0/16 for a target on loopback',
  );
}
