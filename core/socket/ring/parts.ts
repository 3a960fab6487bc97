// The parts of one ring reactor, built together and handed to those that work with several of them.

import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import type { ConnectionTable } from '#core/socket/ring/connection-table.ts';
import type { Connections } from '#core/socket/ring/connections.ts';
import type { Connector } from '#core/socket/ring/connector.ts';
import type { Lane } from '#core/socket/ring/lane.ts';
import type { Libc } from '#core/socket/ring/libc.ts';
import type { Output } from '#core/socket/ring/output.ts';
import type { ReceiveMemory } from '#core/socket/ring/receive-buffers.ts';
import type { WakeEvent } from '#core/socket/ring/wake-event.ts';
import type { WakerEnd } from '#core/socket/waker.ts';
import type { TimerWheel } from '#core/timer-wheel/timer-wheel.ts';

export interface RingParts {
  libc: Libc;
  settings: ReactorSettings;
  stats: Float64Array;
  table: ConnectionTable;
  lanes: Lane[];
  memory: ReceiveMemory;
  output: Output;
  connections: Connections;
  connector: Connector;
  wheel: TimerWheel;
  wakeEvent: WakeEvent;
  wakerEnd: WakerEnd;
}
