// Where the agents of one load are met: the bus of the lab, or an embedded one for virtual hosts alone,
// and the virtual hosts themselves. Closing it ends what was started here.

import { type Bus, connectBus } from '#core/bus/bus.ts';
import { startEmbeddedBus } from '#core/bus/embedded-bus.ts';
import type { Clock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import type { LabEnvironment } from '#core/host/lab-environment.ts';
import { startVirtualHosts, type VirtualHosts } from '#loadgen/hosts/virtual-hosts.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';

export interface HostsPlace {
  bus: Bus;
  lab: string;
  /** Process ids of the virtual hosts by name; empty with real ones. */
  pids: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

/** Throws WSAR_ERR_USAGE without a bus for real hosts, and what keeps virtual ones from being made. */
export async function openHostsPlace(
  hosts: NonNullable<LoadOptions['hosts']>,
  given: LabEnvironment,
  root: string,
  clock: Clock,
): Promise<HostsPlace> {
  if (given.busUrl === undefined && !hosts.isVirtual) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      '--hosts needs the bus on which the agents wait, and none is named',
      'set WSAR_BUS_URL to that of the agents, or take --virtual-hosts',
    );
  }
  const own = given.busUrl === undefined ? await startEmbeddedBus() : undefined;
  const busUrl = given.busUrl ?? own!.url;
  let bus: Bus | undefined;
  let virtual: VirtualHosts | undefined;
  const close = async (): Promise<void> => {
    await virtual?.close();
    await bus?.close();
    await own?.close();
  };
  try {
    bus = await connectBus(busUrl, { clientId: 'load-controller' });
    if (hosts.isVirtual) {
      // The one more is the spare.
      const count = hosts.count + (hosts.policy === 'replace' ? 1 : 0);
      virtual = await startVirtualHosts(count, root, { ...given, busUrl }, clock);
    }
    return { bus, lab: given.lab, pids: virtual?.pids ?? new Map(), close };
  } catch (error) {
    await close();
    throw error;
  }
}
