// One agent of a load, as the controller knows it.

import type { AgentFigures } from '#loadgen/hosts/agent-message.ts';
import type { ClockExchange } from '#loadgen/hosts/clock-offset.ts';
import type { Segment } from '#loadgen/hosts/segment.ts';
import type { Counts } from '#loadgen/worker-board.ts';

export class HostMember {
  readonly id: string;
  readonly segment: Segment;
  readonly exchanges: ClockExchange[] = [];
  /** All its users are in. */
  isReady = false;
  /** Nothing more is on its way there. */
  isDrained = false;
  /** It has told its end. */
  hasEnded = false;
  /** It is gone without having told. */
  isLost = false;
  /** Hash of its part of the plan. */
  planHash = 0;
  /** What it counted when it last told. */
  counts: Counts | undefined;
  figures: AgentFigures | undefined;

  constructor(id: string, segment: Segment) {
    this.id = id;
    this.segment = segment;
  }
}
