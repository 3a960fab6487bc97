// npm run bench:peers [-- --small] [-- --json] [-- --peers=ring,mosquitto] [-- --rounds=N] [-- --only=idle,fan]
// [-- --idle=N]: `wsar serve` (engines ring, epoll and net) beside every MQTT broker that Debian and npm have:
// mosquitto, RabbitMQ with its MQTT plugin, ejabberd with mod_mqtt, aedes. One run, interleaved, the same client
// and the same work for all as in bench:server, and besides: the most QoS 1 messages a second that each holds, found
// by search, and the latency at half of its own limit. Versions and settings are printed; docs/peers.md has a run,
// docs/decisions the settings.

import { benchOptions, count, json, small, words } from '#scripts/bench/bench-options.ts';
import { type LoadSize, measureAll, PARTS } from '#scripts/bench/server-measures.ts';
import type { PeerName } from '#scripts/bench/server-peers.ts';
import { aimLines, headLine, printTable, versionLines } from '#scripts/bench/server-table.ts';
import { freePort } from '#test/free-port.ts';

const PEERS = ['ring', 'epoll', 'net', 'mosquitto', 'rabbitmq', 'ejabberd', 'aedes'] as const;
const given = benchOptions('bench:peers', {
  ...{
    small,
    json,
    peers: words<PeerName>('brokers', PEERS),
    only: words('what is measured', PARTS),
  },
  rounds: count('interleaved rounds, not with --small', 3),
  idle: count('idle sessions, not with --small', 5000),
});
const { small: isSmall, json: isJson } = given;
const size: LoadSize = isSmall
  ? {
      ...{ rounds: 1, users: 100, tokens: 20, rates: [500], seconds: 0.3, warmUpS: 0.2 },
      ...{ fans: [1, 10], idle: 300, idleWarmUp: 50, stored: 500, searchSteps: 3 },
    }
  : {
      ...{ rounds: given.rounds, users: 1000, tokens: 1000, rates: [1000] },
      ...{ seconds: 1.5, warmUpS: 1, fans: [1, 10, 100, 1000] },
      ...{ idle: given.idle, idleWarmUp: 1000, stored: 10_000 },
      searchSteps: 6,
    };
const figures = await measureAll(given, size, freePort);
printTable(figures, { isJson, size, head: [headLine(size), ...versionLines([...figures.keys()])] });
if (!isJson) process.stdout.write(`\n${aimLines(figures).join('\n')}\n`);
