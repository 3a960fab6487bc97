// What this host is: processor, memory, kernel, whether it is virtual. It stands in the record of a run,
// because figures of another host are other figures. systeminformation knows where each platform keeps
// these things; it starts shells to find out (some 100 ms, ten of them), so it is asked once before a
// run and never in a tick. It is imported here and nowhere else, and only when it is asked.
//
// Nothing here identifies a person or a device: no serial numbers, no addresses.

import { arch, cpus, hostname, platform, release, totalmem } from 'node:os';
import { type Clock, systemClock } from '#core/clock/clock.ts';

/** null where the platform does not tell, or did not in time. */
export interface HostIdentity {
  name: string;
  platform: string;
  kernel: string;
  arch: string;
  /** 'Debian GNU/Linux 12'. */
  distribution: string | null;
  cpuModel: string | null;
  /** Logical processors. */
  cpus: number;
  physicalCpus: number | null;
  memoryBytes: number;
  isVirtual: boolean | null;
  /** Kind of virtual machine, or maker and model of a real one. */
  machine: string | null;
  node: string;
}

const TIMEOUT_MS = 5000;

/** The three questions, as systeminformation answers them; what cannot be answered is ''. */
export interface IdentityProbe {
  osInfo(): Promise<{ distro: string; release: string }>;
  cpu(): Promise<{ manufacturer: string; brand: string; physicalCores: number }>;
  system(): Promise<{
    manufacturer: string;
    model: string;
    virtual: boolean;
    virtualHost?: string;
  }>;
}

/** Asks once; never rejects, and answers after `timeoutMs` with what is known by then. */
export async function hostIdentity(
  timeoutMs = TIMEOUT_MS,
  probe: () => Promise<IdentityProbe> = loadProbe,
  clock: Clock = systemClock,
): Promise<HostIdentity> {
  const found: Partial<HostIdentity> = {};
  let cancel = (): void => {};
  const late = new Promise<void>((resolve) => {
    cancel = clock.after(timeoutMs, resolve);
  });
  const asked = probe().then((answers) => Promise.all(questions(answers, found)));
  // A probe that fails leaves its nulls; the run goes on.
  await Promise.race([asked.catch(() => {}), late]);
  cancel();
  return {
    name: hostname(),
    platform: platform(),
    kernel: release(),
    arch: arch(),
    distribution: null,
    cpuModel: cpus()[0]?.model || null,
    cpus: cpus().length,
    physicalCpus: null,
    memoryBytes: totalmem(),
    isVirtual: null,
    machine: null,
    node: process.version,
    ...found,
  };
}

function questions(probe: IdentityProbe, found: Partial<HostIdentity>): Promise<void>[] {
  const ask = async <T>(question: Promise<T>, take: (answer: T) => void): Promise<void> => {
    try {
      take(await question);
    } catch {
      // This one is not known then; the others may be.
    }
  };
  return [
    ask(probe.osInfo(), ({ distro, release: version }) => {
      found.distribution = words(distro, version);
    }),
    ask(probe.cpu(), ({ manufacturer, brand, physicalCores }) => {
      found.cpuModel = words(manufacturer, brand) ?? cpus()[0]?.model ?? null;
      found.physicalCpus = physicalCores > 0 ? physicalCores : null;
    }),
    ask(probe.system(), ({ manufacturer, model, virtual, virtualHost }) => {
      found.isVirtual = virtual;
      found.machine = words(virtualHost ?? '', words(manufacturer, model) ?? '');
    }),
  ];
}

/** What is known of it, with one space between; null when nothing is. */
function words(...parts: string[]): string | null {
  const known = parts.map((part) => part.trim()).filter((part) => part !== '' && part !== '-');
  return known.length === 0 ? null : known.join(' ');
}

async function loadProbe(): Promise<IdentityProbe> {
  const { osInfo, cpu, system } = await import('systeminformation');
  return { osInfo, cpu, system };
}
