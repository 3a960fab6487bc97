// Whether clients of engine stack can talk to a target on another host. Their packets are forwarded by this
// host like those of any router, and answers must find the way back: this host has to forward what comes
// from there, and the target (or a router between) needs a route to the clients' block through this host.
// Nobody can look that up from here, so it is tried: one connection from the block, before anything else is
// sent. Without an answer the load is refused.
//
// Nothing of the host is changed but settings of our own device, which go with it.

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { WsarError } from '#core/errors.ts';
import { formatIpv4 } from '#core/host/ipv4.ts';
import type { ReactorHandler } from '#core/socket/reactor.ts';
import { settleOptions } from '#core/socket/reactor-options.ts';
import { outDevice } from '#core/socket/stack/routes.ts';
import type { SourceBlock } from '#core/socket/stack/stack-parts.ts';
import { StackReactor } from '#core/socket/stack/stack-reactor.ts';
import type { ResolvedTarget } from '#loadgen/target.ts';

/** Three SYNs: at once, after one second, and after three. */
const ANSWER_MS = 5000;
const { ECONNREFUSED } = constants.errno;

/**
 * Throws WSAR_ERR_USAGE when the target cannot be reached from `block` and back; makes a device of `block` for
 * a moment.
 */
export async function requireReturnRoute(
  block: SourceBlock,
  target: ResolvedTarget,
): Promise<void> {
  const device = outDevice(target.address);
  const where = `${target.text} (${formatIpv4(target.address)})`;
  if (device === undefined) {
    throw refused(`this host has no route to ${where}`, 'add one, or name another target');
  }
  const setting = `/proc/sys/net/ipv4/conf/${device}/forwarding`;
  if (readFileSync(setting, 'utf8').trim() !== '1') {
    throw refused(
      `this host does not forward what comes back from ${where} through ${device}`,
      `if this host may be a router: echo 1 > ${setting}; or take --engine ring`,
    );
  }
  if (await hasAnswer(block, target)) return;
  const clients = `${formatIpv4(block.addressMin)}/${32 - Math.log2(block.addressCount)}`;
  throw refused(
    `no answer of ${where} comes back to clients of engine stack (${clients})`,
    `give the target a route to ${clients} through this host, or take --engine ring`,
  );
}

/** Connects once; a refusal is an answer too. */
async function hasAnswer(block: SourceBlock, target: ResolvedTarget): Promise<boolean> {
  let answered = false;
  const nothing = (): void => {};
  const handler: ReactorHandler = {
    onAccept: nothing,
    onConnect(conn, errno) {
      answered = errno === 0 || errno === ECONNREFUSED;
      if (errno === 0) reactor.abort(conn);
      reactor.stop();
    },
    onData: nothing,
    onEnd: nothing,
    onDrain: nothing,
    onClose: nothing,
    onDeadline: (conn) => reactor.abort(conn),
    onWake: nothing,
    onTurn: () => Number.POSITIVE_INFINITY,
  };
  const settings = settleOptions({ handler, capacity: 1, ownsThread: false });
  const reactor = new StackReactor(settings, { block, reachesOthers: true });
  const conn = reactor.connect({
    remoteAddress: target.address,
    remotePort: target.ports[0]!,
  });
  reactor.setDeadline(conn, ANSWER_MS);
  await reactor.run();
  return answered;
}

function refused(message: string, hint: string): WsarError {
  return new WsarError('WSAR_ERR_USAGE', message, hint);
}
