// What is spoken on the connections of a load, decided once from target and options. Plain data: workers
// get a copy.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { WsarError } from '#core/errors.ts';
import type { TlsConnect } from '#core/socket/net/tls-connect.ts';
import { PROTOCOL_LEVEL_3_1_1, PROTOCOL_LEVEL_5 } from '#core/wire/mqtt/packet.ts';
import { isTls, type Target } from '#loadgen/target.ts';
import type { TransportLayer } from '#loadgen/transport/client-reactor.ts';
import { EchoLayer, type Framing } from '#loadgen/transport/echo-layer.ts';
import { WebSocketLayer, type WebSocketPlan } from '#loadgen/transport/web-socket-layer.ts';

export interface WirePlan {
  /** For the summary: 'mqtt 3.1.1', 'mqtt 5 over ws over tls', 'echo length over ws'. */
  text: string;
  /** Protocol level of MQTT (also that of the echo layer, which looks like MQTT 3.1.1). */
  level: number;
  /** The server only sends back what it gets; undefined = it speaks MQTT. */
  echo: Framing | undefined;
  webSocket: WebSocketPlan | undefined;
  tls: TlsConnect | undefined;
  /** Requests of autocannon, and no population at all. */
  isHttp: boolean;
}

export interface WireAsk {
  target: Target;
  /** --protocol: what carries MQTT. */
  protocol: 'tcp' | 'ws' | undefined;
  /** --mqtt. */
  version: '3.1.1' | '5' | undefined;
  /** --framing. */
  framing: Framing | undefined;
  cafile: string | undefined;
  isInsecure: boolean;
  seed: number;
}

/** Throws WSAR_ERR_USAGE for options that do not fit the target, WSAR_ERR_FILE for a bad --cafile. */
export function planWire(ask: WireAsk): WirePlan {
  const { target, protocol, version, framing } = ask;
  const { scheme } = target;
  const isHttp = scheme.startsWith('http');
  // That of autocannon is its own affair.
  const hasTls = isTls(target) && !isHttp;
  const speaksMqtt = scheme.startsWith('mqtt') || protocol === 'ws';
  const isWebSocket = scheme.startsWith('ws') || protocol === 'ws';
  refuse(
    protocol !== undefined && scheme === 'tcp',
    '--protocol is for MQTT targets',
    'leave it out',
  );
  refuse(
    protocol === 'tcp' && isWebSocket,
    `--protocol tcp does not fit ${target.text}`,
    'take an mqtt:// target',
  );
  refuse(version !== undefined && !speaksMqtt, '--mqtt is for MQTT targets', 'leave it out');
  refuse(
    framing !== undefined && scheme !== 'tcp',
    '--framing is for tcp:// targets',
    'leave it out',
  );
  refuse(
    (ask.cafile !== undefined || ask.isInsecure) && !hasTls,
    '--cafile and --insecure are for mqtts:// and wss:// targets',
    'leave them out, or take such a target',
  );
  const level = version === '5' ? PROTOCOL_LEVEL_5 : PROTOCOL_LEVEL_3_1_1;
  const echo = speaksMqtt || isHttp ? undefined : (framing ?? 'length');
  const plan = {
    level,
    echo,
    webSocket: isWebSocket ? webSocketPlan(ask, speaksMqtt) : undefined,
    tls: hasTls ? tlsPlan(ask) : undefined,
    isHttp,
  };
  refuse(protocol !== undefined && isHttp, '--protocol is for MQTT targets', 'leave it out');
  return { ...plan, text: wireText(plan) };
}

/** The layers between a population and its reactor, lowest first. `sendBytesMax`: of one packet. */
export function createLayers(
  plan: WirePlan,
  connections: number,
  payloadBytes: number,
  sendBytesMax: number,
): TransportLayer[] {
  const { webSocket, echo } = plan;
  return [
    ...(webSocket === undefined ? [] : [new WebSocketLayer(webSocket, connections, sendBytesMax)]),
    ...(echo === undefined ? [] : [new EchoLayer(echo, connections, payloadBytes)]),
  ];
}

function webSocketPlan({ target, seed }: WireAsk, speaksMqtt: boolean): WebSocketPlan {
  return {
    host: `${target.host}:${target.port}`,
    // Brokers expect MQTT at /mqtt, if they look at all.
    path: target.path || (speaksMqtt ? '/mqtt' : '/'),
    protocol: speaksMqtt ? 'mqtt' : undefined,
    key: randomBytes(16).toString('base64'),
    seed,
  };
}

function tlsPlan({ target, cafile, isInsecure }: WireAsk): TlsConnect {
  let ca: string | undefined;
  try {
    ca = cafile === undefined ? undefined : readFileSync(cafile, 'utf8');
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_FILE',
      `--cafile ${cafile} cannot be read: ${(error as Error).message}`,
      'name the PEM file of the authority that signed the certificate',
      error,
    );
  }
  return { ca, serverName: target.host, isInsecure };
}

function wireText({ level, echo, webSocket, tls, isHttp }: Omit<WirePlan, 'text'>): string {
  if (isHttp) return 'http 1.1 by autocannon';
  const mqtt = level === PROTOCOL_LEVEL_5 ? 'mqtt 5' : 'mqtt 3.1.1';
  const parts = [
    echo === undefined ? mqtt : webSocket === undefined ? `echo ${echo}` : 'echo',
    ...(webSocket === undefined ? [] : ['ws']),
    ...(tls === undefined ? [] : ['tls']),
  ];
  return parts.join(' over ');
}

function refuse(isWrong: boolean, message: string, hint: string): void {
  if (isWrong) throw new WsarError('WSAR_ERR_USAGE', message, hint);
}
