// An agent on the bus: says hello, answers clock questions, carries out plans one after the other, and
// tells each second what happened. The controller is another process; when it or the bus is gone, users
// are logged out and the agent waits for the next (or ends, with --once).

import { connectBus } from '#core/bus/bus.ts';
import { topic } from '#core/bus/topic.ts';
import type { CommandContext } from '#core/cli/command.ts';
import { createHostClock } from '#core/clock/host-clock.ts';
import { WsarError } from '#core/errors.ts';
import { hostName } from '#core/host/host-name.ts';
import { watchLifeline } from '#core/host/lifeline.ts';
import type { AddressBlock } from '#loadgen/address-block.ts';
import { AgentLoad } from '#loadgen/hosts/agent-load.ts';
import {
  AGENT_PROTOCOL,
  type AgentAnswer,
  type AgentCommand,
  type Hello,
} from '#loadgen/hosts/agent-message.ts';

export interface AgentPlace {
  busUrl: string;
  lab: string;
  id: string;
  /** Own addresses; undefined = as the controller says. */
  sources: AddressBlock[] | undefined;
  isOnce: boolean;
}

/**
 * Serves until the signal, the end of the lab, or one load with `isOnce`. Throws WSAR_ERR_UNREACHABLE,
 * WSAR_ERR_PARENT_LOST.
 */
export async function runAgent(context: CommandContext, place: AgentPlace): Promise<void> {
  const { busUrl, lab, id } = place;
  const bus = await connectBus(busUrl, {
    clientId: `agent-${id}`,
    will: { topic: topic.agent(lab, id, 'gone'), value: { id } },
  });
  const over = new AbortController();
  const lost = (reason: WsarError): void => over.abort(reason);
  bus.onLost(() => lost(unreachable()));
  watchLifeline(() => lost(parentLost()));
  const signal = AbortSignal.any([context.signal, over.signal]);
  const clock = createHostClock();
  let load: AgentLoad | undefined;
  const ended = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
    const answer = (value: AgentAnswer): void =>
      bus.publish(topic.agent(lab, id, 'ack'), value, { qos: 1 });
    const hear = (command: AgentCommand): void => {
      if (command.kind === 'clock') {
        answer({ kind: 'clock', sentUs: command.sentUs, agentUs: clock.monoUs() });
      } else if (command.kind !== 'plan') load?.hear(command);
      else if (load === undefined) {
        load = new AgentLoad(command, place.sources, clock, signal, answer);
        void load.ended.then(() => {
          load = undefined;
          if (place.isOnce) resolve();
        });
      }
    };
    void bus
      .subscribe(topic.agent(lab, id, 'command'), (_topic, value) => hear(value as AgentCommand))
      .then(() => {
        const hello: Hello = {
          ...{ id, host: hostName(), pid: process.pid, protocol: AGENT_PROTOCOL },
        };
        bus.publish(topic.agent(lab, id, 'hello'), hello, { retain: true, qos: 1 });
        context.out(`ready ${id}\n`);
      });
  });
  await ended;
  await load?.ended;
  bus.publish(topic.agent(lab, id, 'hello'), undefined, { retain: true, qos: 1 });
  bus.publish(topic.agent(lab, id, 'gone'), { id }, { qos: 1 });
  await bus.close();
  if (over.signal.aborted) throw over.signal.reason;
}

function unreachable(): WsarError {
  return new WsarError(
    'WSAR_ERR_UNREACHABLE',
    'the bus of the lab was lost and did not come back',
    'see why its broker ended; all users have logged out',
  );
}

function parentLost(): WsarError {
  return new WsarError(
    'WSAR_ERR_PARENT_LOST',
    'the controller that started this agent is gone',
    'start the load again',
  );
}
