// Binds a listening address at once. The public `server.listen({ host })` resolves the host first and
// reports a taken port in a later tick; `listen` of a reactor answers with the port, or throws, before it
// returns. Node's own cluster module binds through the same function, which is reachable as
// `net._createServerHandle`, and `server.listen(handle)` is documented.

import net from 'node:net';
import { WsarError } from '#core/errors.ts';
import { listenError } from '#core/socket/listen-error.ts';
import type { ListenOptions } from '#core/socket/reactor.ts';

/** What `net.Server.listen` accepts as a handle. */
export interface BoundHandle {
  close(): void;
}

type CreateServerHandle = (
  host: string,
  port: number,
  addressType: 4 | 6,
  fd: number,
  flags: number,
) => BoundHandle | number;

/** libuv's UV_TCP_REUSEPORT (uv.h, since 1.49). */
const REUSE_PORT = 2;

/** Throws WsarError WSAR_ERR_PORT_IN_USE when the port is taken, WSAR_ERR_SYSTEM for other refusals. */
export function bindHandle(options: ListenOptions): BoundHandle {
  const create = (net as unknown as { _createServerHandle?: CreateServerHandle })
    ._createServerHandle;
  if (create === undefined) {
    throw new WsarError(
      'WSAR_ERR_ENGINE',
      `this Node (${process.version}) has no net._createServerHandle, which engine net binds with`,
      'Use the Node that the project installs: npm install, then bin/wsar.',
    );
  }
  const addressType = net.isIPv6(options.host) ? 6 : 4;
  const flags = options.reusePort === true ? REUSE_PORT : 0;
  const handle = create(options.host, options.port, addressType, -1, flags);
  if (typeof handle === 'number') throw listenError(options, -handle);
  return handle;
}
