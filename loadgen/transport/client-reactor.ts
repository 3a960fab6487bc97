// What users of a population need of a reactor. The engines of core/socket give it, and so do the layers
// that stand between a population and its reactor (WebSocket, echo protocols): each is a reactor to the
// one above and a handler to the one below.

import type { Reactor, ReactorHandler } from '#core/socket/reactor.ts';

export type ClientReactor = Pick<
  Reactor,
  | 'capacity'
  | 'connections'
  | 'connect'
  | 'send'
  | 'pauseReceive'
  | 'resumeReceive'
  | 'endOutput'
  | 'close'
  | 'abort'
  | 'setDeadline'
  | 'stop'
>;

/** A layer: told once what is below and what is above it, in this order. */
export interface TransportLayer extends ClientReactor, ReactorHandler {
  setLower(lower: ClientReactor): void;
  setUpper(upper: ReactorHandler): void;
}

/** Links layers, lowest first; returns who handles the reactor's events and what the top may use. */
export function linkLayers(
  layers: readonly TransportLayer[],
  top: (reactor: ClientReactor) => ReactorHandler,
  bottom: ClientReactor,
): ReactorHandler {
  for (const [index, layer] of layers.entries()) layer.setLower(layers[index - 1] ?? bottom);
  const handler = top(layers.at(-1) ?? bottom);
  for (const [index, layer] of layers.entries()) layer.setUpper(layers[index + 1] ?? handler);
  return layers[0] ?? handler;
}

/** For a reactor, which wants its handler before what stands above it: calls what `whole` gives. */
export function forwardTo(whole: () => ReactorHandler): ReactorHandler {
  return {
    onAccept: (conn, listener) => whole().onAccept(conn, listener),
    onConnect: (conn, errno) => whole().onConnect(conn, errno),
    onData: (conn, bytes, start, end) => whole().onData(conn, bytes, start, end),
    onEnd: (conn) => whole().onEnd(conn),
    onDrain: (conn) => whole().onDrain(conn),
    onClose: (conn, reason, errno) => whole().onClose(conn, reason, errno),
    onDeadline: (conn) => whole().onDeadline(conn),
    onWake: () => whole().onWake(),
    onTurn: (nowUs) => whole().onTurn(nowUs),
  };
}
