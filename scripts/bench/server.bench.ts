// npm run bench:server [-- --small] [-- --json] [-- --peers=ring,mosquitto] [-- --rounds=N] [-- --only=idle,fan]:
// `wsar serve` (engines ring and net) beside mosquitto and aedes in one run, interleaved, the same client for all
// (mqtt-client.ts), plain MQTT 3.1.1. Server on one core, client on the other. What is measured of the whole server
// process:
//
//   CPU of a delivered message, QoS 0 and 1, at several rates (open loop), saturated (closed loop), and chained (who
//   has received sends the next: with QoS 1 its PUBACK and PUBLISH leave in one segment)
//   logins a second; memory of an idle session with one subscription; fan-out; drain of offline users
//
// Medians of rounds. Ratios count: absolute figures are this machine's and wander with what else runs on it.

import { benchOptions, count, json, small, words } from '#scripts/bench/bench-options.ts';
import { type LoadSize, measureAll, PARTS } from '#scripts/bench/server-measures.ts';
import type { PeerName } from '#scripts/bench/server-peers.ts';
import { headLine, printTable } from '#scripts/bench/server-table.ts';
import { freePort } from '#test/free-port.ts';

const PEERS = ['ring', 'ring-1ms', 'net', 'mosquitto', 'aedes'] as const;
const given = benchOptions('bench:server', {
  ...{
    small,
    json,
    peers: words<PeerName>('brokers', PEERS),
    only: words('what is measured', PARTS),
  },
  rounds: count('interleaved rounds, not with --small', 3),
});
const { small: isSmall, json: isJson } = given;
const size: LoadSize = isSmall
  ? {
      ...{ rounds: 1, users: 100, tokens: 20, rates: [1000], seconds: 0.3, warmUpS: 0.2 },
      ...{ fans: [1, 10], idle: 500, idleWarmUp: 50, stored: 500, searchSteps: 0 },
    }
  : {
      ...{ rounds: given.rounds, users: 1000, tokens: 1000 },
      ...{ rates: [1000, 4000, 12_000], seconds: 2, warmUpS: 1.5, fans: [1, 10, 100, 1000] },
      ...{ idle: 15_000, idleWarmUp: 1000, stored: 20_000, searchSteps: 0 },
    };
printTable(await measureAll(given, size, freePort), {
  isJson,
  size,
  head: [headLine(size)],
});
