// Opens every listener of the plan: what a reactor can serve itself, at its address; the rest (TLS, Unix
// sockets, PROXY headers whose sender has to be looked at) at the front, which hands on to two inner
// listeners of the reactors, on loopback, that nobody else can use: they begin with a secret.

import { randomBytes } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { isLoopback } from '#core/host/ipv4.ts';
import { type Front, startFront } from '#reference-server/transport/front.ts';
import type { ListenerPlan, Prelude } from '#reference-server/transport/listener.ts';
import type { TlsMaterial } from '#reference-server/transport/tls-material.ts';

const SECRET_BYTES = 32;
const INNER_HOST = '127.0.0.1';

export interface ListenerWishes {
  listeners: ListenerPlan[];
  tls: TlsMaterial | undefined;
  proxyFrom: readonly string[];
  limits: { connectionsMax: number; loginTimeoutMs: number };
}

/** `listen` makes all reactors listen and resolves with the port. */
export async function openListeners(
  wishes: ListenerWishes,
  listen: (host: string, port: number, prelude: Prelude) => Promise<number>,
): Promise<{ ports: number[]; front: Front | undefined }> {
  const { listeners, proxyFrom, limits, tls } = wishes;
  const areProxiesLocal = proxyFrom.every(isLocalRange);
  const needsFront = (plan: ListenerPlan): boolean =>
    plan.carrier !== 'tcp' || (plan.proxied && !(areProxiesLocal && isLoopback(plan.host)));
  const ports: number[] = [];
  for (const [index, plan] of listeners.entries()) {
    if (needsFront(plan)) continue;
    const { webSocket, proxied } = plan;
    const prelude = { secret: undefined, proxyHeader: proxied, webSocket };
    ports[index] = await listen(plan.host, plan.port, prelude);
  }
  const atFront = listeners.filter(needsFront);
  if (atFront.length === 0) return { ports, front: undefined };
  const secret = randomBytes(SECRET_BYTES);
  const inner = async (webSocket: boolean): Promise<number> =>
    atFront.some((plan) => plan.webSocket === webSocket)
      ? await listen(INNER_HOST, 0, { secret, proxyHeader: true, webSocket })
      : 0;
  const front = await startFront({
    listeners: atFront,
    tls,
    proxyFrom: [...proxyFrom],
    secret,
    innerHost: INNER_HOST,
    innerPort: await inner(false),
    innerWebSocketPort: await inner(true),
    connectionsMax: limits.connectionsMax,
    handshakeTimeoutMs: limits.loginTimeoutMs,
  });
  for (const [at, plan] of atFront.entries()) ports[listeners.indexOf(plan)] = front.ports[at]!;
  return { ports, front };
}

/** Whether an address or 'address/bits' lies within loopback. */
function isLocalRange(text: string): boolean {
  const [address, bits] = text.split('/') as [string, string?];
  const bitsMin = isIPv6(address) ? 128 : 8;
  return isLoopback(address) && (bits === undefined || Number(bits) >= bitsMin);
}
