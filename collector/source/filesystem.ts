// How full the file systems are. statfs(2) may hang for minutes on a network mount whose server is gone, so it is
// asked asynchronously, every ten seconds, at most one question a mount under way; the tick takes what
// has come and how old it is. Values older than three periods are none.

import { readFileSync, type StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { gauge, instanceName } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

const MOUNTS_MAX = 16;
const PERIOD_US = 10e6;
const AGE_US_MAX = 3 * PERIOD_US;
/** Kinds that lie on a disk of this host or of another; the others are the kernel's own. */
const KINDS =
  /^(ext[234]|xfs|btrfs|zfs|f2fs|jfs|reiserfs|vfat|exfat|ntfs3?|overlay|nfs4?|cifs|ceph|fuse\.\w+)$/;

interface Mount {
  path: string;
  slots: number[];
  isAsked: boolean;
  answer: Pick<StatsFs, 'blocks' | 'bfree' | 'bavail' | 'bsize' | 'files' | 'ffree'> | undefined;
  answerUs: number;
}

/** Asks one mount; replaced in tests. */
export type AskMount = (path: string) => Promise<NonNullable<Mount['answer']>>;

export class FilesystemSource implements Source {
  readonly id = 'filesystem';
  readonly budgetUs = 20_000;
  readonly #mounts: Mount[];
  readonly #ask: AskMount;
  #askedUs = -Infinity;
  #nowUs = 0;

  constructor(root: string, ask: AskMount = (path) => statfs(path)) {
    this.#ask = ask;
    this.#mounts = mountPoints(root).map((path) => ({
      path,
      slots: [],
      isAsked: false,
      answer: undefined,
      answerUs: 0,
    }));
  }

  probe(): Capability {
    return this.#mounts.length > 0
      ? { state: 'ok' }
      : { state: 'absent', reason: 'no file system on a disk is mounted here' };
  }

  declare(metrics: MetricScope): void {
    for (const mount of this.#mounts) {
      const at = (what: string): string =>
        instanceName(`system.filesystem.${what}`, 'mountpoint', mount.path);
      mount.slots = [
        gauge(at('usage'), 'fsused', 'By', `bytes in use at ${mount.path}`),
        gauge(at('limit'), 'fssize', 'By', `size of the file system at ${mount.path}`),
        gauge(at('utilization'), '%full', '1', `share in use at ${mount.path}, as df shows it`),
        gauge(at('linux.inode_utilization'), '%inod', '1', `share of the inodes at ${mount.path}`),
      ].map((spec) => metrics.declare(spec));
    }
  }

  sample(table: SampleTable, nowUs: number): number {
    this.#nowUs = nowUs;
    if (nowUs - this.#askedUs >= PERIOD_US) {
      this.#askedUs = nowUs;
      for (const mount of this.#mounts) this.#question(mount);
    }
    for (let i = 0; i < this.#mounts.length; i++) write(this.#mounts[i]!, nowUs, table);
    return Freshness.now;
  }

  close(): void {}

  #question(mount: Mount): void {
    if (mount.isAsked) return;
    mount.isAsked = true;
    this.#ask(mount.path).then(
      (answer) => {
        mount.answer = answer;
        mount.answerUs = this.#nowUs;
        mount.isAsked = false;
      },
      () => {
        // Unmounted, or not ours to see: the old answer becomes too old.
        mount.isAsked = false;
      },
    );
  }
}

function write(mount: Mount, nowUs: number, table: SampleTable): void {
  const { answer, slots } = mount;
  if (answer === undefined || nowUs - mount.answerUs > AGE_US_MAX) return;
  const used = answer.blocks - answer.bfree;
  table.gauge(slots[0]!, used * answer.bsize);
  table.gauge(slots[1]!, answer.blocks * answer.bsize);
  // Blocks kept for root are neither used nor available: df leaves them out.
  table.gauge(slots[2]!, used / (used + answer.bavail));
  table.gauge(slots[3]!, (answer.files - answer.ffree) / answer.files);
}

/** Mount points of file systems on disks, each device once: bind mounts show the same file system again. */
function mountPoints(root: string): string[] {
  const byDevice = new Map<string, string>();
  for (const line of mountLines(root)) {
    // 36 35 98:0 /root /mnt rw,noatime master:1 - ext4 /dev/sda1 rw     (proc(5), mountinfo)
    const [before = '', after = ''] = line.split(' - ');
    const [, , device = '', , path = ''] = before.split(' ');
    const kind = after.split(' ')[0] ?? '';
    if (!KINDS.test(kind) || byDevice.has(device)) continue;
    byDevice.set(
      device,
      path.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8))),
    );
    if (byDevice.size >= MOUNTS_MAX) break;
  }
  return [...byDevice.values()];
}

function mountLines(root: string): string[] {
  try {
    return readFileSync(`${root}/self/mountinfo`, 'utf8').split('\n');
  } catch {
    // A copy of /proc without it.
    return [];
  }
}
