// A client of a simulated cluster that speaks any version through npm mqtt-packet: what it says and hears are
// that library's packet objects, so a test of the broker does not lean on our own codec.

import mqttPacket, { type IConnectPacket, type Packet, type Parser } from 'mqtt-packet';
import type {
  SimulatedCluster,
  SimulatedConnection,
  SimulatedWorker,
} from '#reference-server/test/simulated-cluster.ts';

type Heard = Packet & Record<string, unknown>;

export class PacketClient {
  readonly heard: Heard[] = [];
  readonly #worker: SimulatedWorker;
  readonly #cluster: SimulatedCluster;
  readonly #connection: SimulatedConnection;
  readonly #parser: Parser;
  readonly #version: 3 | 4 | 5;

  /** `listener`: the number of the one that it comes by. */
  constructor(cluster: SimulatedCluster, worker: number, version: 3 | 4 | 5 = 5, listener = 0) {
    this.#cluster = cluster;
    this.#worker = cluster.workers[worker % cluster.workers.length]!;
    this.#connection = this.#worker.reactor.accept(listener);
    this.#version = version;
    this.#parser = mqttPacket.parser({ protocolVersion: version });
    this.#parser.on('packet', (packet) => this.heard.push(packet as Heard));
    this.#parser.on('error', (error) => {
      throw error;
    });
  }

  /** Connects, waits for the answer and returns it. */
  connect(clientId: string, more: Partial<IConnectPacket> = {}): Heard {
    this.send({
      cmd: 'connect',
      protocolId: this.#version === 3 ? 'MQIsdp' : 'MQTT',
      protocolVersion: this.#version,
      clean: true,
      keepalive: 0,
      clientId,
      ...more,
    } as Packet);
    return this.take('connack');
  }

  get isOpen(): boolean {
    return this.#worker.reactor.isOpen(this.#connection);
  }

  /** Sends a packet and lets everything come to rest. */
  send(packet: Packet): void {
    this.sendBytes(mqttPacket.generate(packet, { protocolVersion: this.#version }));
  }

  /** The same for bytes that the library would not write. */
  sendBytes(bytes: Uint8Array): void {
    this.#worker.reactor.receive(this.#connection, new Uint8Array(bytes));
    this.settle();
  }

  /** Texts of the messages that came since it was asked last; each is accepted. */
  acceptAll(): string[] {
    this.settle();
    const got = this.heard.splice(0).filter(({ cmd }) => cmd === 'publish');
    for (const { messageId, qos } of got) {
      if (qos === 1) this.send({ cmd: 'puback', messageId: messageId as number, reasonCode: 0 });
    }
    return got.map(({ payload }) => String(payload));
  }

  subscribe(topic: string, qos: 0 | 1 | 2 = 1, more: object = {}, properties?: object): Heard {
    this.send({
      cmd: 'subscribe',
      messageId: 9,
      subscriptions: [{ topic, qos, ...more }],
      ...(properties === undefined ? {} : { properties }),
    } as Packet);
    return this.take('suback');
  }

  publish(topic: string, payload: string, qos: 0 | 1 | 2 = 0, more: object = {}): void {
    const packet = { cmd: 'publish', topic, payload, qos, dup: false, retain: false, ...more };
    this.send({ messageId: qos === 0 ? undefined : 7, ...packet } as Packet);
  }

  hangUp(): void {
    this.#worker.reactor.hangUp(this.#connection, true);
    this.settle();
  }

  disconnect(reasonCode = 0, properties?: object): void {
    const more = this.#version === 5 ? { reasonCode, properties } : {};
    this.send({ cmd: 'disconnect', ...more } as Packet);
  }

  settle(): void {
    for (let i = 0; i < 6; i++) this.#cluster.turn();
    this.read();
  }

  read(): void {
    this.#parser.parse(Buffer.from(this.#connection.output.splice(0)));
  }

  /** The next packet of this kind; what came before it is forgotten. */
  take(cmd: string): Heard {
    this.read();
    const at = this.heard.findIndex((packet) => packet.cmd === cmd);
    if (at < 0) throw new Error(`no ${cmd}; heard ${JSON.stringify(this.heard)}`);
    return this.heard.splice(0, at + 1).at(-1)!;
  }

  /** Payloads of what was published to this client since the last look. */
  texts(): string[] {
    this.settle();
    const published = this.heard.filter(({ cmd }) => cmd === 'publish');
    this.heard.length = 0;
    return published.map(({ payload }) => String(payload));
  }
}
