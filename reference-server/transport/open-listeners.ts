// Opens every listener of the plan: what a reactor can serve itself, at its address; the rest (TLS, Unix
// sockets, PROXY headers whose sender has to be looked at) at the front, which hands on to an
// inner listener of the reactors for each, on loopback, that nobody else can use: they begin with a secret.

import { randomBytes } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { isLoopback } from '#core/host/ipv4.ts';
import { type Front, startFront } from '#reference-server/transport/front.ts';
import type { ListenerPlan, Opening } from '#reference-server/transport/listener.ts';
import type { TlsMaterial } from '#reference-server/transport/tls-material.ts';

const SECRET_BYTES = 32;
const INNER_HOST = '127.0.0.1';

export interface ListenerWishes {
  listeners: ListenerPlan[];
  tls: TlsMaterial | undefined;
  proxyFrom: readonly string[];
  limits: { connectionsMax: number; loginTimeoutMs: number };
}

/** `listen` makes all reactors listen at once and resolves with the ports. */
export async function openListeners(
  wishes: ListenerWishes,
  listen: (openings: Opening[]) => Promise<number[]>,
): Promise<{ ports: number[]; front: Front | undefined }> {
  const { listeners, proxyFrom, limits, tls } = wishes;
  const areProxiesLocal = proxyFrom.every(isLocalRange);
  const needsFront = (plan: ListenerPlan): boolean =>
    plan.carrier !== 'tcp' || (plan.proxied && !(areProxiesLocal && isLoopback(plan.host)));
  const own = listeners.filter((plan) => !needsFront(plan));
  const place = (plan: ListenerPlan): number => listeners.indexOf(plan);
  const ownPorts = await listen(
    own.map((plan) => {
      const { host, port, webSocket, proxied } = plan;
      const prelude = { place: place(plan), secret: undefined, proxyHeader: proxied, webSocket };
      return { host, port, prelude };
    }),
  );
  const ports: number[] = [];
  for (const [at, plan] of own.entries()) ports[place(plan)] = ownPorts[at]!;
  const atFront = listeners.filter(needsFront);
  if (atFront.length === 0) return { ports, front: undefined };
  const secret = randomBytes(SECRET_BYTES);
  const innerPorts = await listen(
    atFront.map((plan) => {
      const { webSocket } = plan;
      const prelude = { place: place(plan), secret, proxyHeader: true, webSocket };
      return { host: INNER_HOST, port: 0, prelude };
    }),
  );
  const front = await startFront({
    listeners: atFront,
    tls,
    proxyFrom: [...proxyFrom],
    secret,
    innerHost: INNER_HOST,
    innerPorts,
    connectionsMax: limits.connectionsMax,
    handshakeTimeoutMs: limits.loginTimeoutMs,
  });
  for (const [at, plan] of atFront.entries()) ports[place(plan)] = front.ports[at]!;
  return { ports, front };
}

/** Whether an address or 'address/bits' lies within loopback. */
function isLocalRange(text: string): boolean {
  const [address, bits] = text.split('/') as [string, string?];
  const bitsMin = isIPv6(address) ? 128 : 8;
  return isLoopback(address) && (bits === undefined || Number(bits) >= bitsMin);
}
