// A small MQTT server for tests that need a target with a flaw: one that refuses, never answers,
// cuts users off, delivers twice, or never closes. Everything it does right it does with
// mqtt-packet.

import { createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import mqttPacket from 'mqtt-packet';

export interface FakeBrokerFlaws {
  /** CONNACK code for the n-th login (0 = the probe). Default: accepted. */
  connackCode?: (login: number) => number;
  /** Accepts connections and never answers. */
  isSilent?: boolean;
  /** Every message is delivered this often. Default 1; 0 loses all. */
  copies?: number;
  /** Messages are delivered in pieces of this many bytes. */
  pieceBytes?: number;
  /** Leaves the closing after DISCONNECT to the client. */
  neverCloses?: boolean;
  /** Answers every login with these bytes instead. */
  answer?: Buffer;
  /** Refuses every subscription, or those to some topics. */
  refusesSubscriptions?: boolean;
  refusesTopics?: RegExp;
  /** Refuses these users their group, and gives all others of it what goes there. */
  refusesMember?: (uid: number) => boolean;
}

export interface FakeBroker {
  url: string;
  port: number;
  /** Logins so far, and clean goodbyes. */
  logins: number;
  goodbyes: number;
  pings: number;
  /** Size of the last payload. */
  payloadBytes: number;
  /** Cuts the connection of the user who logged in as the n-th. */
  cut(login: number): void;
  /** From now on nothing is read and nobody is answered, though connections stand. */
  deafen(): void;
  close(): void;
}

export async function startFakeBroker(
  t: TestContext,
  given: FakeBrokerFlaws = {},
): Promise<FakeBroker> {
  const flaws = { ...given };
  const mailboxes = new Mailboxes(flaws);
  const sockets: Socket[] = [];
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    open.add(socket);
    socket.on('error', () => {}).on('close', () => open.delete(socket));
    if (flaws.isSilent !== true) serve(socket);
  });
  const broker: FakeBroker = {
    url: '',
    port: 0,
    logins: 0,
    goodbyes: 0,
    pings: 0,
    payloadBytes: 0,
    cut: (login) => sockets[login]!.destroy(),
    deafen() {
      flaws.isSilent = true;
      for (const socket of open) socket.pause();
    },
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };

  function serve(socket: Socket): void {
    const parser = mqttPacket.parser({ protocolVersion: 4 });
    let packetId = 0;
    let uid = 0;
    socket.on('data', (bytes) => parser.parse(bytes)).on('end', () => socket.end());
    parser.on('error', () => socket.destroy());
    parser.on('packet', (packet) => {
      switch (packet.cmd) {
        case 'connect': {
          uid = Number(packet.clientId);
          const returnCode = flaws.connackCode?.(broker.logins) ?? 0;
          sockets[broker.logins++] = socket;
          if (flaws.answer !== undefined) socket.end(flaws.answer);
          else send(socket, { cmd: 'connack', returnCode, sessionPresent: false });
          if (returnCode !== 0) socket.end();
          break;
        }
        case 'subscribe': {
          const granted = packet.subscriptions.map((wanted) =>
            mailboxes.subscribe(socket, uid, wanted),
          );
          send(socket, { cmd: 'suback', messageId: packet.messageId!, granted });
          break;
        }
        case 'publish': {
          broker.payloadBytes = packet.payload.length;
          const { qos, topic, payload } = packet;
          if (qos === 1) send(socket, { cmd: 'puback', messageId: packet.messageId! });
          for (const receiver of mailboxes.receivers(topic)) {
            for (let copy = 0; copy < (flaws.copies ?? 1); copy++) {
              packetId = (packetId % 65_535) + 1;
              const message = { topic, payload, qos, dup: qos > 0 && copy > 0, retain: false };
              send(receiver, { cmd: 'publish', messageId: packetId, ...message });
            }
          }
          break;
        }
        case 'pingreq':
          broker.pings++;
          send(socket, { cmd: 'pingresp' });
          break;
        case 'disconnect':
          broker.goodbyes++;
          if (flaws.neverCloses !== true) socket.end();
          break;
        default:
      }
    });
  }

  function send(socket: Socket, packet: mqttPacket.Packet): void {
    sendPieces(socket, mqttPacket.generate(packet), flaws.pieceBytes);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  broker.port = (server.address() as { port: number }).port;
  broker.url = `mqtt://127.0.0.1:${broker.port}`;
  t.after(() => broker.close());
  return broker;
}

/** Who gets what: the last who asked for it, but groups that some are refused reach all others. */
class Mailboxes {
  readonly #flaws: FakeBrokerFlaws;
  readonly #last = new Map<string, Socket>();
  readonly #members = new Map<string, Set<Socket>>();

  constructor(flaws: FakeBrokerFlaws) {
    this.#flaws = flaws;
  }

  /** The granted QoS. */
  subscribe(socket: Socket, uid: number, wanted: { topic: string; qos: 0 | 1 | 2 }): number {
    const { topic, qos } = wanted;
    const { refusesSubscriptions, refusesTopics, refusesMember } = this.#flaws;
    if (topic.startsWith('g/') && refusesMember !== undefined) {
      if (refusesMember(uid)) return 128;
      const known = this.#members.get(topic) ?? new Set();
      this.#members.set(topic, known.add(socket));
      socket.on('close', () => known.delete(socket));
    } else this.#last.set(topic, socket);
    return refusesSubscriptions === true || refusesTopics?.test(topic) === true ? 128 : qos;
  }

  receivers(topic: string): Iterable<Socket> {
    const last = this.#last.get(topic);
    return this.#members.get(topic) ?? (last === undefined ? [] : [last]);
  }
}

function sendPieces(socket: Socket, bytes: Buffer, pieceBytes = bytes.length): void {
  if (socket.destroyed || socket.writableEnded) return;
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    socket.write(bytes.subarray(at, at + pieceBytes));
  }
}
