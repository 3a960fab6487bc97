// The metrics that have a place of their own on the screen. Names are those of the sources' schemas;
// where a source may call a thing by several names, the first that it has counts.

export const SERVER = {
  connections: 'wsar.server.connections',
  sessions: 'wsar.server.sessions',
  logins: 'wsar.server.logins',
  received: 'wsar.server.messages.received',
  delivered: 'wsar.server.messages.delivered',
  queueLength: 'wsar.server.queue.length',
  queueLongest: 'wsar.server.queue.longest',
  queueNonempty: 'wsar.server.queue.nonempty',
  enqueued: 'wsar.server.queue.enqueued',
  dequeued: 'wsar.server.queue.dequeued',
  cpuUs: 'wsar.server.cpu_us',
  malformed: 'wsar.server.malformed',
  refused: 'wsar.server.refused',
} as const;

export const LOAD = {
  target: 'wsar.load.connections.target',
  loggedIn: 'wsar.load.connections.logged_in',
  failed: 'wsar.load.connections.failed',
  sent: 'wsar.load.messages.sent',
  errors: 'wsar.load.messages.errors',
  cpuUs: 'wsar.load.cpu_us',
} as const;

/** Of the collector. */
export const HOST = {
  user: ['system.cpu.utilization{cpu.mode=user}'],
  system: ['system.cpu.utilization{cpu.mode=system}'],
  softirq: ['system.cpu.utilization{cpu.mode=softirq}'],
  utilization: ['system.cpu.utilization'],
  contextSwitches: ['system.linux.context_switches'],
  interrupts: ['system.linux.interrupts'],
  segmentsIn: ['network.linux.tcp.segments{direction=in}'],
  segmentsOut: ['network.linux.tcp.segments{direction=out}'],
  sockets: ['network.linux.sockets{state=used}'],
  established: ['system.network.connection.count{state=established}'],
  opens: ['tcp.connections.opened'],
  listenOverflows: 'tcp.listen.overflows',
  memory: ['system.memory.utilization'],
  files: ['linux.file_descriptors{state=used}'],
  runQueue: ['system.process.count{state=running}'],
} as const satisfies Record<string, string | readonly string[]>;

/**
 * The decays that stand first, in this order, with a name where the column's own says too little outside
 * its group. All others follow in the order of their schema.
 */
export const DECAYS_FIRST: readonly { name: string; label?: string }[] = [
  { name: 'wsar.runtime.connections', label: 'conns' },
  { name: 'wsar.runtime.logins', label: 'logins' },
  { name: 'wsar.runtime.messages{direction=in}', label: 'msg in' },
  { name: 'wsar.runtime.messages{direction=out}', label: 'msg out' },
  { name: 'mailbox.length{stat=sum}', label: 'queues' },
  { name: 'mailbox.length{stat=max}', label: 'longest' },
  { name: 'wsar.runtime.cpu_us', label: 'srv cpu' },
  { name: HOST.utilization[0], label: 'cpu' },
  { name: HOST.user[0], label: 'cpu user' },
  { name: HOST.system[0], label: 'cpu sys' },
  { name: HOST.softirq[0], label: 'cpu soft' },
  { name: HOST.contextSwitches[0], label: 'csw' },
  { name: HOST.runQueue[0], label: 'run queue' },
  { name: HOST.listenOverflows, label: 'overflow' },
  { name: HOST.segmentsIn[0], label: 'seg in' },
  { name: HOST.segmentsOut[0], label: 'seg out' },
  { name: HOST.opens[0], label: 'opens' },
  { name: HOST.established[0], label: 'estab' },
];

/** The latency of an interval by percentile; `of` is 'latency', 'service' or 'lateness'. */
export function latencyName(of: 'latency' | 'service' | 'lateness', point: string): string {
  return `wsar.load.${of}_us.${point}`;
}
