// The live bus as every part of wsar sees it: JSON values on MQTT topics (core/bus/topic.ts), through
// the embedded broker or any other one. It exists so that nobody outside this folder knows `mqtt`.
//
// Promises: publishing never blocks and never throws for want of a broker; what waits is bounded and
// what does not fit is counted. A lost connection is tried again for a bounded time, subscriptions and
// retained values come back with it, and after that the bus is lost for good and says so once.
// What it does not do: persistent sessions (who is away misses what was not retained).

import { randomBytes } from 'node:crypto';
import { Socket } from 'node:net';
import type { IClientOptions, MqttClient } from 'mqtt';
import mqtt from 'mqtt';
import { assert } from '#core/assert.ts';
import { parseBusUrl } from '#core/bus/bus-url.ts';
import { compileFilter } from '#core/bus/topic-filter.ts';
import { WsarError } from '#core/errors.ts';

export interface Bus {
  /** Sends a value as JSON. `undefined` with `retain` clears what was retained. QoS 0 unless told. */
  publish(topic: string, value: unknown, options?: { retain?: boolean; qos?: 0 | 1 }): void;
  /**
   * Resolves when the broker has taken the subscription. Messages that are not JSON are counted in
   * `malformed` and not delivered. The filters of one bus should not overlap: some brokers then
   * deliver a message twice.
   */
  subscribe(filter: string, onMessage: (topic: string, value: unknown) => void): Promise<void>;
  /** Calls back once when the broker could not be reached again in time. Not after `close`. */
  onLost(callback: () => void): void;
  /** Messages that were not sent: no room, or the bus was lost. */
  readonly dropped: number;
  /** Messages that came in and were no JSON. */
  readonly malformed: number;
  /** Sends what waits, as far as the broker takes it within two seconds, and disconnects. */
  close(): Promise<void>;
}

export interface BusOptions {
  /** Shown by the broker; made unique with a random suffix. */
  clientId: string;
  /** Published by the broker when this process dies without closing. */
  will?: { topic: string; value: unknown };
  /** How long connecting, and connecting again, may take, ms. */
  timeoutMs?: number;
}

const CONNECT_TIMEOUT_MS = 5000;
const CLOSE_TIMEOUT_MS = 2000;
const RECONNECT_PERIOD_MS = 250;
const SUBSCRIBE_TIMEOUT_MS = 5000;
/** Messages, and their bytes, that may wait for the broker. */
const PENDING_MESSAGES_MAX = 4096;
const PENDING_BYTES_MAX = 16 * 1024 * 1024;
/** Retained topics that are sent again after a broker came back without its memory. */
const RETAINED_TOPICS_MAX = 1024;

/**
 * Connects to the broker at `url` (mqtt://user:token@host:port).
 * @throws WsarError WSAR_ERR_UNREACHABLE when it does not answer in time or refuses the login,
 * WSAR_ERR_USAGE when the url cannot be read.
 */
export async function connectBus(url: string, options: BusOptions): Promise<Bus> {
  const address = parseBusUrl(url);
  const timeoutMs = options.timeoutMs ?? CONNECT_TIMEOUT_MS;
  const settings: IClientOptions = {
    clientId: `${options.clientId}-${randomBytes(4).toString('hex')}`,
    clean: true,
    reconnectPeriod: RECONNECT_PERIOD_MS,
    connectTimeout: timeoutMs,
    keepalive: 30,
    protocolVersion: 4,
    username: address.username,
    ...(address.password === undefined ? {} : { password: address.password }),
  };
  if (options.will !== undefined) {
    const { topic, value } = options.will;
    settings.will = { topic, payload: Buffer.from(JSON.stringify(value)), qos: 1, retain: false };
  }
  const client = mqtt.connect(address.bare, settings);
  client.on('connect', () => sendAtOnce(client));
  await firstConnection(client, address.bare, timeoutMs);
  return new MqttBus(client, address.bare, timeoutMs);
}

/** Waits for the first CONNACK; a broker that is still starting is tried again until the time is over. */
async function firstConnection(client: MqttClient, where: string, timeoutMs: number) {
  let why = 'no answer';
  await new Promise<void>((resolve, reject) => {
    const fail = (): void => {
      clearTimeout(timer);
      client.on('error', ignoreLateError);
      client.end(true);
      reject(
        new WsarError(
          'WSAR_ERR_UNREACHABLE',
          `the bus at ${where} cannot be used: ${why}`,
          'check that the broker runs and that WSAR_BUS_URL holds its address, user and token',
        ),
      );
    };
    const timer = setTimeout(fail, timeoutMs);
    client.on('error', (error) => {
      why = error.message || (error as NodeJS.ErrnoException).code || why;
      if (isRefusal(error)) fail();
    });
    client.once('connect', () => {
      clearTimeout(timer);
      resolve();
    });
  });
  client.removeAllListeners('error');
}

/**
 * A packet is written in pieces; without this the second waits for the delayed ACK of the first, and a
 * knob answers 40 ms late.
 */
function sendAtOnce(client: MqttClient): void {
  if (client.stream instanceof Socket) client.stream.setNoDelay(true);
}

/** A broker that says no will say no again; waiting is for brokers that are away. */
function isRefusal(error: Error): boolean {
  return typeof (error as { code?: unknown }).code === 'number';
}

/** After the end of a client its socket may still report; nobody is left to tell. */
function ignoreLateError(): void {}

interface Subscription {
  filter: string;
  matches: (topic: string) => boolean;
  onMessage: (topic: string, value: unknown) => void;
}

class MqttBus implements Bus {
  dropped = 0;
  malformed = 0;
  readonly #client: MqttClient;
  readonly #where: string;
  readonly #timeoutMs: number;
  readonly #subscriptions: Subscription[] = [];
  readonly #retained = new Map<string, string>();
  readonly #lostCallbacks: (() => void)[] = [];
  #state: 'open' | 'lost' | 'closed' = 'open';
  #pendingMessages = 0;
  #pendingBytes = 0;
  #giveUp: NodeJS.Timeout | undefined;
  #onDrained: (() => void) | undefined;

  constructor(client: MqttClient, where: string, timeoutMs: number) {
    this.#client = client;
    this.#where = where;
    this.#timeoutMs = timeoutMs;
    client.on('message', (topic, payload) => this.#deliver(topic, payload));
    client.on('error', (error) => {
      if (isRefusal(error)) this.#lose();
    });
    client.on('close', () => {
      if (this.#state !== 'open') return;
      this.#giveUp ??= setTimeout(() => this.#lose(), this.#timeoutMs);
    });
    client.on('connect', () => this.#restore());
  }

  publish(topic: string, value: unknown, options: { retain?: boolean; qos?: 0 | 1 } = {}): void {
    assert(topic !== '' && !/[+#]/.test(topic), 'a value is published to a topic, not to a filter');
    const { retain = false, qos = 0 } = options;
    const payload = value === undefined ? '' : JSON.stringify(value);
    if (retain) this.#remember(topic, payload);
    this.#send(topic, payload, retain, qos);
  }

  async subscribe(
    filter: string,
    onMessage: (topic: string, value: unknown) => void,
  ): Promise<void> {
    const subscription = { filter, matches: compileFilter(filter), onMessage };
    // Before the SUBACK: retained values may arrive in the same segment.
    this.#subscriptions.push(subscription);
    let timer: NodeJS.Timeout | undefined;
    try {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error('no answer')), SUBSCRIBE_TIMEOUT_MS);
      });
      await Promise.race([this.#client.subscribeAsync(filter, { qos: 1 }), late]);
    } catch (error) {
      this.#subscriptions.splice(this.#subscriptions.indexOf(subscription), 1);
      throw new WsarError(
        'WSAR_ERR_UNREACHABLE',
        `the bus at ${this.#where} did not take the subscription to ${filter}: ${(error as Error).message}`,
        'check that the broker runs and lets this user subscribe',
        error,
      );
    } finally {
      clearTimeout(timer);
    }
  }

  onLost(callback: () => void): void {
    if (this.#state === 'lost') queueMicrotask(callback);
    else this.#lostCallbacks.push(callback);
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    const wasLost = this.#state === 'lost';
    this.#state = 'closed';
    clearTimeout(this.#giveUp);
    if (!wasLost) await this.#end();
    this.#client.on('error', ignoreLateError);
  }

  #send(topic: string, payload: string, retain: boolean, qos: 0 | 1): void {
    const bytes = payload.length;
    const isFull =
      this.#pendingMessages >= PENDING_MESSAGES_MAX ||
      this.#pendingBytes + bytes > PENDING_BYTES_MAX;
    if (this.#state !== 'open' || isFull) {
      this.dropped++;
      return;
    }
    this.#pendingMessages++;
    this.#pendingBytes += bytes;
    this.#client.publish(topic, payload, { retain, qos }, (error) => {
      this.#pendingMessages--;
      this.#pendingBytes -= bytes;
      if (error) this.dropped++;
      if (this.#pendingMessages === 0) this.#onDrained?.();
    });
  }

  #remember(topic: string, payload: string): void {
    if (payload === '') this.#retained.delete(topic);
    else if (this.#retained.has(topic) || this.#retained.size < RETAINED_TOPICS_MAX) {
      this.#retained.set(topic, payload);
    }
  }

  #deliver(topic: string, payload: Buffer): void {
    // An empty payload is how a retained value is cleared; it carries nothing.
    if (payload.length === 0) return;
    let value: unknown;
    try {
      value = JSON.parse(payload.toString('utf8'));
    } catch {
      this.malformed++;
      return;
    }
    for (const { matches, onMessage } of this.#subscriptions) {
      if (matches(topic)) onMessage(topic, value);
    }
  }

  /** The broker is back. mqtt subscribes again by itself; a restarted broker has forgotten the retained values. */
  #restore(): void {
    clearTimeout(this.#giveUp);
    this.#giveUp = undefined;
    for (const [topic, payload] of this.#retained) this.#send(topic, payload, true, 1);
  }

  #lose(): void {
    clearTimeout(this.#giveUp);
    if (this.#state !== 'open') return;
    this.#state = 'lost';
    this.#client.end(true);
    for (const callback of this.#lostCallbacks.splice(0)) callback();
  }

  /** Disconnects when nothing waits for the broker any more, or the time is over. */
  #end(): Promise<void> {
    const client = this.#client;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        client.end(true);
        client.stream.destroy();
        resolve();
      }, CLOSE_TIMEOUT_MS);
      const farewell = (): void => {
        client.end(!client.connected, () => {
          clearTimeout(timer);
          resolve();
        });
      };
      if (!client.connected || this.#pendingMessages === 0) farewell();
      else {
        this.#onDrained = farewell;
        // A connection that breaks now takes nothing more.
        client.once('close', farewell);
      }
    });
  }
}
