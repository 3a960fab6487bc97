// Where workers run: which CPUs and node each one gets, and what the host should be told so that interrupts reach
// the same node. Pure: topology in, plan out.
//
// Workers fill node after node evenly, so that each node's memory is used by as many workers; within a node every
// core gets one worker before a second hardware thread of a core does. A worker may run on all threads of its
// core (nobody else is there) until cores are shared; then on its own thread. More workers than CPUs go round.
// A worker is pinned before it makes its tables, so their pages come from its node (first touch).

import type { Cpu, HostTopology } from '#reference-server/topology/host-topology.ts';

export interface WorkerPlace {
  worker: number;
  node: number;
  cpus: number[];
}

export interface PlacePlan {
  places: WorkerPlace[];
  /** What an administrator can do beside it: one command a line, with its reason after '#'. */
  advice: string[];
}

/** `allowed`: CPUs that this process may use at all; default: all that are online. */
export function planPlaces(
  topology: HostTopology,
  workers: number,
  allowed?: readonly number[],
): PlacePlan {
  const cpus = topology.cpus.filter(({ id }) => allowed?.includes(id) ?? true);
  const nodes = topology.nodes.filter((node) => cpus.some((cpu) => cpu.node === node));
  const orders = nodes.map((node) => coresFirst(cpus.filter((cpu) => cpu.node === node)));
  const places: WorkerPlace[] = [];
  for (let worker = 0; worker < workers && nodes.length > 0; worker++) {
    const at = worker % nodes.length;
    const order = orders[at]!;
    const turn = Math.floor(worker / nodes.length);
    const cpu = order[turn % order.length]!;
    places.push({ worker, node: nodes[at]!, cpus: [cpu.id] });
  }
  widen(places, cpus);
  return { places, advice: advise(topology, places) };
}

/** The plan for a person. */
export function planText({ places, advice }: PlacePlan): string {
  const lines = places.map(
    ({ worker, node, cpus }) => `worker ${worker}: node ${node}, cpu ${cpus.join(',')}`,
  );
  return `${[...lines, ...advice].join('\n')}\n`;
}

/** One hardware thread of every core, then the second ones. */
function coresFirst(cpus: Cpu[]): Cpu[] {
  const seen = new Map<string, number>();
  const ranked = cpus.map((cpu) => {
    const key = `${cpu.socket}/${cpu.core}`;
    const rank = seen.get(key) ?? 0;
    seen.set(key, rank + 1);
    return { cpu, rank };
  });
  return ranked.sort((a, b) => a.rank - b.rank || a.cpu.id - b.cpu.id).map(({ cpu }) => cpu);
}

/** A worker that has a core to itself may use all of its hardware threads. */
function widen(places: WorkerPlace[], cpus: Cpu[]): void {
  const coreOf = new Map(cpus.map((cpu) => [cpu.id, `${cpu.socket}/${cpu.core}`]));
  const workersOf = new Map<string, number>();
  for (const { cpus: own } of places) {
    const core = coreOf.get(own[0]!)!;
    workersOf.set(core, (workersOf.get(core) ?? 0) + 1);
  }
  for (const place of places) {
    const core = coreOf.get(place.cpus[0]!)!;
    if (workersOf.get(core)! > 1) continue;
    place.cpus = cpus.filter(({ id }) => coreOf.get(id) === core).map(({ id }) => id);
  }
}

/** Each interrupt of a network device to a worker's CPU, those of the device's own node first. */
function advise({ devices, nodes }: HostTopology, places: WorkerPlace[]): string[] {
  const lines: string[] = [];
  if (places.length === 0) return lines;
  for (const { name, node, interrupts } of devices) {
    const near = places.filter((place) => place.node === node);
    const targets = near.length > 0 ? near : places;
    interrupts.forEach((interrupt, index) => {
      const { cpus, worker } = targets[index % targets.length]!;
      lines.push(
        `echo ${cpus[0]} > /proc/irq/${interrupt}/smp_affinity_list` +
          `   # ${name} to worker ${worker}${near.length > 0 ? `, node ${node}` : ''}`,
      );
    });
    if (interrupts.length > 0)
      lines.push(`systemctl stop irqbalance   # it would move ${name} again`);
  }
  if (nodes.length > 1) {
    lines.push(
      'sysctl kernel.numa_balancing=0   # pages are where their worker touched them first',
    );
  }
  return [...new Set(lines)];
}
