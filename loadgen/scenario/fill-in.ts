// How a scenario fills in what the command line of `wsar load` does not say. What the model or the
// target cannot have stays out. Pure.

import { planGroups } from '#loadgen/group-map.ts';
import type { Arrivals } from '#loadgen/load-option-list.ts';
import { logNormalTable } from '#loadgen/log-normal.ts';
import type { People } from '#loadgen/people.ts';
import { required } from '#loadgen/read-options.ts';
import type { Scenario } from '#loadgen/scenario/scenario.ts';
import type { Target } from '#loadgen/target.ts';
import { PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN } from '#loadgen/user-packets.ts';

type Given = Record<string, unknown>;

/** Sizes of payloads that are kept ready. */
const PAYLOAD_SIZES = 16;

/** The scenario of a command line that names none: undefined = the target has no population. */
export function usualScenario(given: Given): string | undefined {
  return speaksMqtt(given) ? 'whatsapp-2014' : undefined;
}

/** What the command line says, and where it says nothing, the scenario. Throws WSAR_ERR_USAGE. */
export function fillIn(given: Given, scenario: Scenario): Given {
  const users = required<number>(given, 'connections', '--connections 1000');
  const isOpen = given['model'] === undefined || given['model'] === 'open';
  const isPopulation = isOpen && users >= 2 && speaksMqtt(given);
  return {
    payload: Math.max(PAYLOAD_BYTES_MIN, Math.min(PAYLOAD_BYTES_MAX, scenario.payloadBytes)),
    keepalive: scenario.keepAliveMs,
    ...(isOpen ? planOf(given, scenario, users) : {}),
    ...(isPopulation ? populationOf(given, scenario) : {}),
    ...given,
  };
}

/** When messages are due. */
function planOf(given: Given, scenario: Scenario, users: number): Given {
  const hasTrace = (given['arrivals'] as Arrivals | undefined)?.trace !== undefined;
  const hasRate = given['stages'] !== undefined || given['findMax'] !== undefined || hasTrace;
  // Each country's messages are a Poisson process of its own.
  const process = given['day'] === undefined ? scenario.arrivals : 'poisson';
  return {
    arrivals: { process },
    ...(hasRate || users < 2 ? {} : { rate: scenario.messagesPerUserPerS * users }),
  };
}

function populationOf(given: Given, scenario: Scenario): Given {
  const { mediaRatio, sessionMs, payloadSigma = 0 } = scenario;
  const hasSizes = payloadSigma > 0 && given['payload'] === undefined;
  const people = peopleOf(scenario);
  return {
    ...(mediaRatio === undefined ? {} : { media: mediaRatio }),
    ...(scenario.media === undefined ? {} : { mediaKinds: scenario.media }),
    ...(sessionMs === undefined ? {} : { sessionLength: sessionMs }),
    ...(hasSizes ? { payloadFactors: logNormalTable(1, payloadSigma, PAYLOAD_SIZES) } : {}),
    ...(people === undefined ? {} : { people, receipts: 'auto' }),
  };
}

/** Undefined where a scenario has nothing beside messages from one to one. */
function peopleOf(scenario: Scenario): People | undefined {
  const { groups, conversations, contacts = 0, hasTyping = false, countries = [] } = scenario;
  const isPlain = contacts === 0 && !hasTyping && countries.length === 0;
  if (isPlain && groups === undefined && conversations === undefined) {
    return undefined;
  }
  return {
    groups: groups === undefined ? undefined : planGroups(groups),
    conversations,
    contacts,
    announces: false,
    hints: hasTyping,
    countries,
  };
}

function speaksMqtt(given: Given): boolean {
  const [target] = [given['target'] ?? []].flat() as Target[];
  return target?.scheme.startsWith('mqtt') === true || given['protocol'] === 'ws';
}
