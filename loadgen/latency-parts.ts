// Latencies that are told apart beside those of all messages: by the network of the receiver (engine stack),
// and of messages to groups until the last member has them. Pure.

import type { LoadOptions } from '#loadgen/load-options.ts';

/** The part that is not of a network. */
const GROUP_PART = 'last member of a group';

/** What each of the parts is of: first the networks, in the order of the mix, then the groups. */
export function latencyParts(
  options: Pick<LoadOptions, 'network' | 'people' | 'segment' | 'hosts'>,
): string[] {
  const { network, people, segment, hosts } = options;
  // Several hosts tell none of these; and who else has a message of a group is known on one host only.
  if (segment !== undefined || hosts !== undefined) return [];
  const hasGroups = people?.groups !== undefined;
  return [
    ...(network ?? []).map(({ text }) => `network ${text}`),
    ...(hasGroups ? [GROUP_PART] : []),
  ];
}

/** Which part is that of groups; -1 = none. */
export function groupPart(parts: readonly string[]): number {
  return parts.indexOf(GROUP_PART);
}

/** A part's tag in a histogram log: no comma, no space. */
export function partTag(part: string): string {
  return `latency:${part.replace(/[\s,]+/g, '_')}`;
}
