// The options of `wsar serve` that say where it listens, and the listeners they stand for.

import { isIP } from 'node:net';
import type { OptionSpec } from '#core/cli/command.ts';
import { parseCount } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import {
  type Exposure,
  listenHost,
  OPEN_FLAG,
  PLAIN_FLAG,
} from '#reference-server/access/listen-address.ts';
import type { ListenerPlan } from '#reference-server/transport/listener.ts';
import { readTlsMaterial, type TlsMaterial } from '#reference-server/transport/tls-material.ts';

const parsePort = parseCount(0, 65_535);

export const LISTENER_OPTIONS: OptionSpec[] = [
  {
    flags: '--port <port>',
    help: 'MQTT over TCP; may be repeated; 0 takes a free port, here and below',
    parse: parsePort,
    repeat: true,
  },
  { flags: '--ws-port <port>', help: 'MQTT over WebSocket', parse: parsePort },
  { flags: '--tls-port <port>', help: 'MQTT over TLS', parse: parsePort },
  { flags: '--wss-port <port>', help: 'MQTT over WebSocket over TLS', parse: parsePort },
  { flags: '--unix <path>', help: 'MQTT on a Unix socket that only this user may use' },
  {
    flags: '--proxy-port <port>',
    help: 'MQTT behind a proxy that sends PROXY headers (v1, v2)',
    parse: parsePort,
  },
  {
    flags: '--proxy-from <address>',
    help: 'proxies that are believed, as address or address/bits; may be repeated (default: loopback)',
    parse: parseAddressRange,
    repeat: true,
  },
  { flags: '--host <address>', help: 'address to listen on', default: '127.0.0.1' },
  { flags: '--cert <file>', help: 'certificate chain for TLS, PEM; may be repeated', repeat: true },
  { flags: '--key <file>', help: 'its private key, PEM; one for each --cert', repeat: true },
  {
    flags: '--client-ca <file>',
    help: 'TLS clients need a certificate of this authority; its common name is their user name',
  },
  {
    flags: '--ws-origin <origin>',
    help: "pages whose scripts may connect, like https://chat.example; '*' for any; may be repeated",
    repeat: true,
  },
  { flags: OPEN_FLAG, help: 'allow a --host that is not loopback without logins' },
  { flags: PLAIN_FLAG, help: 'allow a --host that is not loopback without TLS' },
];

/** Where to listen. */
export interface Listening {
  listeners: ListenerPlan[];
  tls: TlsMaterial | undefined;
  proxyFrom: readonly string[];
  origins: readonly string[];
}

const LOCAL_PROXIES = ['127.0.0.0/8', '::1'];

/** Ports for MQTT over TCP. */
const PORTS_MAX = 64;

/** Option, carrier, WebSocket, PROXY header: in the order of the ready lines, behind those of --port. */
const KINDS = [
  ['wsPort', 'tcp', true, false],
  ['tlsPort', 'tls', false, false],
  ['wssPort', 'tls', true, false],
  ['proxyPort', 'tcp', false, true],
] as const;

/** The listeners of a checked command line. Throws WSAR_ERR_USAGE, WSAR_ERR_FILE. */
export function readListening(
  given: Record<string, unknown>,
  purpose: Exposure['purpose'],
  hasLogin: boolean,
): Listening {
  const path = given['unix'] as string | undefined;
  const wanted = [
    ...readPorts(given).map((one) => [one, 'tcp', false, false] as const),
    ...KINDS.filter(([option]) => given[option] !== undefined).map(
      ([option, ...kind]) => [given[option] as number, ...kind] as const,
    ),
  ];
  if (wanted.length === 0 && path === undefined) {
    throw new WsarError('WSAR_ERR_USAGE', '--port is missing', 'add for example --port 1883');
  }
  const listeners = wanted.map(([port, carrier, webSocket, proxied]): ListenerPlan => {
    // A proxy in front has ended TLS.
    const isEncrypted = carrier === 'tls';
    const host = listenHost(given['host'] as string, {
      purpose,
      hasLogin: hasLogin || (isEncrypted && given['clientCa'] !== undefined),
      isEncrypted,
      mayBeOpen: given['iKnowAnyoneCanLogIn'] === true,
      mayBePlain: given['iKnowItIsNotEncrypted'] === true,
    });
    return { carrier, host, port, webSocket, proxied };
  });
  if (path !== undefined) {
    listeners.push({ carrier: 'unix', host: '', port: 0, path, webSocket: false, proxied: false });
  }
  if (given['wsOrigin'] !== undefined && !listeners.some(({ webSocket }) => webSocket)) {
    throw idle('--ws-origin is for WebSocket', '--ws-port or --wss-port');
  }
  if (given['proxyFrom'] !== undefined && !listeners.some(({ proxied }) => proxied)) {
    throw idle('--proxy-from is for proxies', '--proxy-port');
  }
  return {
    listeners,
    tls: readTls(given, listeners),
    proxyFrom: (given['proxyFrom'] as string[] | undefined) ?? LOCAL_PROXIES,
    origins: (given['wsOrigin'] as string[] | undefined) ?? [],
  };
}

/** An option without the listener that it is about would be left unused. */
function idle(message: string, ports: string): WsarError {
  return new WsarError('WSAR_ERR_USAGE', message, `add ${ports}, or leave it out`);
}

/** Every port is bound by every worker, and the kernel would let them share one that was named twice. */
function readPorts(given: Record<string, unknown>): number[] {
  const ports = (given['port'] as number[] | undefined) ?? [];
  const named = ports.filter((one) => one !== 0);
  if (new Set(named).size === named.length && ports.length <= PORTS_MAX) return ports;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    ports.length > PORTS_MAX ? `${ports.length} --port are too many` : 'a --port is named twice',
    `give up to ${PORTS_MAX} different ones, or 0 for any`,
  );
}

function readTls(
  given: Record<string, unknown>,
  listeners: ListenerPlan[],
): TlsMaterial | undefined {
  const certFiles = (given['cert'] as string[] | undefined) ?? [];
  const keyFiles = (given['key'] as string[] | undefined) ?? [];
  const clientCaFile = given['clientCa'] as string | undefined;
  const isWanted = listeners.some(({ carrier }) => carrier === 'tls');
  if (isWanted) return readTlsMaterial(certFiles, keyFiles, clientCaFile);
  if (certFiles.length + keyFiles.length > 0 || clientCaFile !== undefined) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      '--cert, --key and --client-ca need a TLS listener',
      'add --tls-port or --wss-port',
    );
  }
  return undefined;
}

/** '192.0.2.0/24', '::1': checked, as it stands. */
export function parseAddressRange(text: string): string {
  const match = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
  const family = isIP(match?.[1] ?? '');
  const bits = Number(match?.[2] ?? 0);
  if (match !== null && family !== 0 && bits <= (family === 4 ? 32 : 128)) return text;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `'${text}' is no address and no address/bits`,
    'write it like 192.0.2.7 or 192.0.2.0/24',
  );
}
