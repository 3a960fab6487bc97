// The feed of a running lab: its rows, schemas, events and knob states from the bus.

import { connectBus } from '#core/bus/bus.ts';
import { topic } from '#core/bus/topic.ts';
import { turnKnob } from '#core/knob/turn-knob.ts';
import { readBusMessage } from '#tui/model/message.ts';
import type { Feed, FeedListener } from '#tui/source/feed.ts';

const TURN_TIMEOUT_MS = 3000;

/**
 * Subscribes to a lab.
 * @throws WsarError WSAR_ERR_UNREACHABLE when the bus does not answer.
 */
export async function openLabFeed(
  busUrl: string,
  lab: string,
  listener: FeedListener,
): Promise<Feed> {
  const bus = await connectBus(busUrl, { clientId: 'top' });
  let malformed = 0;
  const take = (topicName: string, value: unknown): void => {
    // The bus itself counts what is no JSON at all.
    for (; malformed < bus.malformed; malformed++) listener.malformed();
    const message = readBusMessage(topicName, value);
    if (message === undefined) listener.malformed();
    else listener.message(message);
  };
  bus.onLost(() => listener.lost('the bus of the lab does not answer any more'));
  const filters = [
    topic.schema(lab, '+', '+'),
    topic.row(lab, '+', '+'),
    topic.event(lab, '+', '+'),
    topic.knobState(lab, '+', '+'),
  ];
  try {
    for (const filter of filters) await bus.subscribe(filter, take);
  } catch (error) {
    await bus.close();
    throw error;
  }
  return {
    async turn(owner, name, value) {
      const timeoutMs = TURN_TIMEOUT_MS;
      return await turnKnob(bus, { lab, owner, name, value, by: 'top', timeoutMs });
    },
    close: () => bus.close(),
  };
}
