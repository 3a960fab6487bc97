// Where the server listens, and what is spoken there.

/** One address that clients connect to. */
export interface ListenerPlan {
  /** 'unix' has a path and no port. */
  carrier: 'tcp' | 'tls' | 'unix';
  host: string;
  /** 0 chooses a free one. */
  port: number;
  path?: string;
  webSocket: boolean;
  /** Every connection begins with a PROXY header, and comes from one of `proxyFrom`. */
  proxied: boolean;
}

/** One address at which all reactors listen. */
export interface Opening {
  host: string;
  /** 0 chooses a free one. */
  port: number;
  prelude: Prelude;
}

/** What a listener of a reactor expects before the first MQTT packet, in this order. */
export interface Prelude {
  /** Number of the listener in the plan; see AccessRules.listeners. */
  place: number;
  /** A secret that only the front of this process knows. */
  secret: Uint8Array | undefined;
  proxyHeader: boolean;
  webSocket: boolean;
}

/** What the ready line says: mqtt://, mqtts://, ws://, wss:// or proxy:// with host and port, or unix:<path>. */
export function listenerUrl(
  { carrier, host, path, webSocket, proxied }: ListenerPlan,
  port: number,
): string {
  if (carrier === 'unix') return `unix:${path}`;
  const isTls = carrier === 'tls';
  const plain = proxied ? 'proxy' : isTls ? 'mqtts' : 'mqtt';
  const scheme = webSocket ? (isTls ? 'wss' : 'ws') : plain;
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
