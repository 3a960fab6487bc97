// The cliff of the kernel's search for source ports: CPU of one connection (both ends) by how full the ports of one
// source address are, for each port plan. Runs itself again in a network namespace of its own, whose range of ports is
// small, so that a few thousand connections fill it; nothing outside of it changes. Needs root.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createReactor } from '#core/socket/create-reactor.ts';
import type { Reactor, ReactorHandler } from '#core/socket/reactor.ts';
import type { PortPlanKind } from '#loadgen/source-plan.ts';

export interface PortCost {
  plan: PortPlanKind;
  ports: number;
  /** CPU of a connection in the second tenth (the first warms up), before the half, after it, and in the last. */
  us_at_10: number;
  us_at_40: number;
  us_at_60: number;
  us_at_90: number;
  /** Mean past the half over the mean before it. */
  step: number;
  failed: number;
}

const FIRST_PORT = 40_000;
const SOURCE = 0x7f030303;
const SERVER = 0x7f000001;
/** Nobody else is in the namespace. */
const SERVER_PORT = FIRST_PORT - 1;
const TENTHS = 10;
const PLANS: PortPlanKind[] = ['explicit', 'window', 'kernel'];

/** Fills `ports` source ports with each plan; empty where a namespace cannot be made. */
export function portCosts(ports: number): PortCost[] {
  const file = fileURLToPath(import.meta.url);
  const inside =
    'ip link set lo up && echo "$0 $1" > /proc/sys/net/ipv4/ip_local_port_range && shift && exec "$@"';
  return PLANS.flatMap((plan) => {
    const { stdout, status, stderr } = spawnSync(
      'unshare',
      [
        ...['--net', '--', '/bin/sh', '-c', inside, String(FIRST_PORT)],
        ...[String(FIRST_PORT + ports - 1), process.execPath, file, plan, String(ports)],
      ],
      { encoding: 'utf8' },
    );
    if (status === 0) return [JSON.parse(stdout) as PortCost];
    process.stderr.write(`ports: ${plan} is left out: ${stderr.trim().split('\n').at(-1)}\n`);
    return [];
  });
}

/** One plan, in a namespace with that range: connects until every port is taken, one after the other. */
async function fill(plan: PortPlanKind, ports: number): Promise<PortCost> {
  const costsUs: number[] = [];
  let made = 0;
  let failed = 0;
  let lastUs = 0;
  let reactor: Reactor | undefined;
  const next = (): void => {
    if (made % (ports / TENTHS) === 0) {
      const { user, system } = process.cpuUsage();
      if (made > 0) costsUs.push((user + system - lastUs) / (ports / TENTHS));
      lastUs = user + system;
    }
    if (made++ === ports) return void reactor!.stop();
    reactor!.connect({
      remoteAddress: SERVER,
      remotePort: SERVER_PORT,
      localAddress: SOURCE,
      localPort: plan === 'explicit' ? FIRST_PORT + made - 1 : 0,
    });
  };
  const nothing = (): void => {};
  const handler: ReactorHandler = {
    ...{ onAccept: nothing, onData: nothing, onEnd: nothing, onDrain: nothing, onClose: nothing },
    ...{ onDeadline: nothing, onWake: nothing },
    onConnect(_conn, errno) {
      if (errno !== 0) failed++;
      next();
    },
    onTurn: () => Number.POSITIVE_INFINITY,
  };
  const window = { min: FIRST_PORT, max: FIRST_PORT + ports - 1 };
  reactor = createReactor({
    handler,
    capacity: 2 * ports + 10,
    ...(plan === 'window' ? { sourcePorts: window } : {}),
  });
  reactor.listen({ host: '127.0.0.1', port: SERVER_PORT });
  next();
  await reactor.run();
  const at = (percent: number): number => Math.round(costsUs[percent / TENTHS]! * 10) / 10;
  const mean = (first: number, end: number): number =>
    costsUs.slice(first, end).reduce((sum, us) => sum + us, 0) / (end - first);
  return {
    ...{ plan, ports, us_at_10: at(10), us_at_40: at(40), us_at_60: at(60), us_at_90: at(90) },
    step: Math.round((mean(TENTHS / 2, TENTHS) / mean(1, TENTHS / 2)) * 100) / 100,
    failed,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [min, max] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
    .trim()
    .split(/\s+/)
    .map(Number);
  const ports = Number(process.argv[3]);
  if (min !== FIRST_PORT || max !== FIRST_PORT + ports - 1) {
    throw new Error(`the range of ports is ${min}-${max}: this is not our namespace`);
  }
  const cost = await fill(process.argv[2] as PortPlanKind, ports);
  process.stdout.write(JSON.stringify(cost));
}
