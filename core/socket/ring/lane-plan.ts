// How many lanes a reactor gets and how large they are.

import { WsarError } from '#core/errors.ts';
import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import { type LaneSize, SPARE_SLOTS } from '#core/socket/ring/lane.ts';

/**
 * Larger lanes are no use even where descriptors are plenty: the kernel finds the poll of a connection
 * that is closed in a hash of at most 256 chains per ring, so the cost of closing grows with the lane.
 */
const LANE_SLOTS_DEFAULT = 19_000;
/** Descriptors below the limit that are left to the process itself. */
const DESCRIPTOR_RESERVE = 100;
/**
 * Entries of a lane's queues, which the kernel keeps in memory whether they are used or not: 96 KiB for one of few
 * lanes. Of many each has few of the events, and an enter brings at most 20 pieces of work and one burst of accepts.
 */
const FEW = { sqEntries: 512, cqEntries: 4096 };
const MANY = { sqEntries: 128, cqEntries: 512 };
const LANES_FEW_MAX = 8;
const ENTRIES_MIN = 64;

/** Sizes that tests make small, to reach what takes very many connections otherwise. */
export interface RingTuning {
  sqEntries?: number;
  cqEntries?: number;
}

export interface LanePlan {
  count: number;
  size: LaneSize;
}

/** Throws WSAR_ERR_LIMIT when not even a small lane fits into `descriptorLimit`. */
export function planLanes(
  settings: ReactorSettings,
  descriptorLimit: number,
  tuning: RingTuning,
): LanePlan {
  const allowed = descriptorLimit - SPARE_SLOTS - DESCRIPTOR_RESERVE;
  if (allowed < 1) {
    throw new WsarError(
      'WSAR_ERR_LIMIT',
      `the limit of ${descriptorLimit} open files leaves no room for a table of connections`,
      'Raise it: ulimit -n 20000',
    );
  }
  const wanted = settings.laneSlotsMax === 0 ? LANE_SLOTS_DEFAULT : settings.laneSlotsMax;
  const slotsMax = Math.min(wanted, allowed);
  const count = Math.ceil(settings.capacity / slotsMax);
  const slots = Math.ceil(settings.capacity / count);
  const { sqEntries, cqEntries } = count <= LANES_FEW_MAX ? FEW : MANY;
  const bySlots = 2 ** Math.ceil(Math.log2(Math.max(slots, ENTRIES_MIN)));
  return {
    count,
    size: {
      slots,
      sqEntries: tuning.sqEntries ?? Math.min(sqEntries, bySlots),
      cqEntries: tuning.cqEntries ?? Math.min(cqEntries, 4 * bySlots),
    },
  };
}
