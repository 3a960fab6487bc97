// The options of `wsar load` and what each word on the command line may be: one at a time, with nothing known of
// the others. How they fit together is in read-options.ts.

import type { OptionSpec } from '#core/cli/command.ts';
import {
  parseCount,
  parseDurationMs,
  parseOneOf,
  parseRatePerS,
  parseRatio,
  parseSizeBytes,
} from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import { parseSources } from '#loadgen/address-block.ts';
import { type ArrivalTrace, readTrace } from '#loadgen/arrival-trace.ts';
import type { ArrivalProcess } from '#loadgen/arrivals.ts';
import { VIRTUAL_HOSTS_MAX } from '#loadgen/hosts/virtual-hosts.ts';
import { parseNetworkMix } from '#loadgen/network-mix.ts';
import { RATE_PER_S_MAX } from '#loadgen/plan-changes.ts';
import { parsePorts } from '#loadgen/port-plan.ts';
import { parseSpike, parseStages } from '#loadgen/rate-plan.ts';
import { parseSlowReaders } from '#loadgen/slow-readers.ts';
import { parseReturn, parseStorm } from '#loadgen/storm.ts';
import { parseTarget, type Target } from '#loadgen/target.ts';
import { parseTcpWords } from '#loadgen/tcp-words.ts';
import { parseThreshold } from '#loadgen/threshold.ts';
import { FRAMINGS } from '#loadgen/transport/echo-layer.ts';
import {
  MEDIA_BYTES,
  PAYLOAD_BYTES_MAX,
  PAYLOAD_BYTES_MIN,
  USERS_MAX,
} from '#loadgen/user-packets.ts';

const WORKERS_MAX = 64;
const HOSTS_MAX = 1000;
const UPLOAD_BYTES_MAX = 64 * 2 ** 20;
/** MQTT: the keep-alive has 16 bits of seconds. */
const KEEP_ALIVE_MS_MAX = 65_535_000;

export const LOAD_OPTIONS: OptionSpec[] = [
  {
    flags: '--target <url>',
    help: 'server to load: mqtt:// mqtts:// tcp:// ws:// wss:// http:// (required); with several ports like :1883-1890',
    parse: parseTarget,
    repeat: true,
  },
  {
    flags: '--connections <n>',
    help: 'users to log in (required)',
    parse: parseCount(1, USERS_MAX),
  },
  {
    flags: '--duration <time>',
    help: 'length of the steady phase, after everybody is in (required without --stages)',
    parse: atLeast(parseDurationMs, 1, 'a duration'),
  },
  {
    flags: '--rate <rate>',
    help: 'messages of all users together, like 5000/s; none without it',
    parse: parseMessageRate,
  },
  {
    flags: '--arrivals <process>',
    help: "gaps between messages: 'poisson' (default), 'constant', 'bursts', or trace:FILE",
    parse: parseArrivals,
  },
  {
    flags: '--model <name>',
    help: "what makes users write: 'open' (default: a plan), 'closed' or 'partly-open'",
    parse: parseOneOf('open', 'closed', 'partly-open'),
  },
  {
    flags: '--think <time>',
    help: 'mean time from the arrival of a message to the next of its sender (default 10s)',
    parse: atLeast(parseDurationMs, 1, 'a thought'),
  },
  {
    flags: '--session-messages <n>',
    help: 'mean messages of a session of --model partly-open (default 7)',
    parse: parseCount(1, 10_000),
  },
  {
    flags: '--session-length <time>',
    help: 'mean time after which a user says goodbye and comes again (log-normal); without it they stay',
    parse: atLeast(parseDurationMs, 100, 'a session'),
  },
  {
    flags: '--away <time>',
    help: 'mean time between two sessions of a user (default 2s)',
    parse: atLeast(parseDurationMs, 10, 'a time away'),
  },
  {
    flags: '--scenario <name>',
    help: "population that gives what is not said: 'whatsapp-2014' (default), 'one-to-one', or a file like ./mine.ts",
  },
  {
    flags: '--stages <list>',
    help: "rate over time instead of --rate, like '30s@1000/s, 60s@1000..5000/s'; gives the duration",
    parse: parseStages,
  },
  {
    flags: '--day <time>',
    help: 'the rate follows a day compressed to this time, each country by its own hour (peak 1.55 times the mean)',
    parse: atLeast(parseDurationMs, 1000, 'a day'),
  },
  {
    flags: '--spike <spike>',
    help: "more for a while, like '35%@60s/30s/5m' (share, start or 'peak', rise, decay); may be repeated",
    parse: parseSpike,
    repeat: true,
  },
  {
    flags: '--storm <storm>',
    help: "cut users off at a time of the steady phase, like 50%@10s, 'block 3@10s' or 'country BR@10s'; repeatable",
    parse: parseStorm,
    repeat: true,
  },
  {
    flags: '--return <policy>',
    help: "how users come back: 'fixed:500ms' (default), 'backoff:1s' or 'beta:60s'",
    parse: parseReturn,
  },
  {
    flags: '--protocol <tcp|ws>',
    help: 'what carries MQTT: TCP (default), or WebSocket',
    parse: parseOneOf('tcp', 'ws'),
  },
  {
    flags: '--mqtt <version>',
    help: "version of MQTT: '3.1.1' (default) or '5'",
    parse: parseOneOf('3.1.1', '5'),
  },
  {
    flags: '--framing <name>',
    help: "messages of a tcp:// target: 'length' (u32 before each, default) or 'line'",
    parse: parseOneOf(...FRAMINGS),
  },
  {
    flags: '--upload <size>',
    help: 'body of each request to an http:// target (POST); GET without it',
    parse: parseUpload,
  },
  { flags: '--cafile <file>', help: 'PEM of the authority that signed the certificate (TLS)' },
  { flags: '--insecure', help: 'take any certificate (TLS)' },
  {
    flags: '--ramp <rate>',
    help: 'logins, like 2000/s; as fast as the target answers without it',
    parse: parseRampRate,
  },
  {
    flags: '--payload <size>',
    help: `size of a message, at least ${PAYLOAD_BYTES_MIN} B (default 64 B)`,
    parse: parsePayload,
  },
  {
    flags: '--media <share>',
    help: `messages that carry a picture's link and thumbnail (${MEDIA_BYTES} B), like 4.7%`,
    parse: parseShare,
  },
  {
    flags: '--media-target <url>',
    help: 'HTTP server that the files of messages with media are sent to and fetched from, beside the messages',
    parse: parseMediaTarget,
  },
  {
    flags: '--seed <n>',
    help: 'fixes who writes to whom and when (default 1)',
    parse: parseCount(0, 0xffffffff),
  },
  {
    flags: '--first-user <n>',
    help: 'number of the first user, for a second load on the same target (default 0)',
    parse: parseCount(0, USERS_MAX),
  },
  {
    flags: '--engine <name>',
    help: "'ring', 'epoll', 'net', 'auto' (default), or 'stack': clients without sockets (root)",
    parse: parseOneOf('ring', 'epoll', 'net', 'stack', 'auto'),
  },
  {
    flags: '--workers <n>',
    help: 'threads (default: half of the cores)',
    parse: parseCount(1, WORKERS_MAX),
  },
  {
    flags: '--sources <list>',
    help: 'addresses that connections come from: blocks, addresses, interfaces (default: 127.1.0.0/16 on loopback)',
    parse: parseSources,
  },
  {
    flags: '--ports <plan>',
    help: "source ports: 'explicit', 'window', 'kernel' or 'auto' (default); explicit:20000-29999",
    parse: parsePorts,
  },
  {
    flags: '--rtt <time>',
    help: 'round trip of every client, like 80ms (engine stack)',
    parse: parseDurationMs,
  },
  {
    flags: '--jitter <time>',
    help: 'spread of the round trip, like 20ms (engine stack)',
    parse: parseDurationMs,
  },
  {
    flags: '--loss <share>',
    help: 'packets that are lost, each way, like 1% (engine stack)',
    parse: parseRatio,
  },
  {
    flags: '--network <mix>',
    help: "networks of the clients, like '10%: phone; rest: none' (engine stack)",
    parse: parseNetworkMix,
  },
  {
    flags: '--tcp <words>',
    help: "TCP of the clients, like 'sack off timestamps on keepalive 60s' (engine stack)",
    parse: parseTcpWords,
  },
  {
    flags: '--slow-readers <share>',
    help: 'users who read slowly, and how much a second, like 5%@1KiB',
    parse: parseSlowReaders,
  },
  {
    flags: '--keepalive <time>',
    help: 'MQTT keep-alive; 0s = none (default 60s)',
    parse: parseKeepAlive,
  },
  {
    flags: '--sessions <how>',
    help: "'clean' (default), or 'kept': the server holds messages for who is cut off",
    parse: parseOneOf('clean', 'kept'),
  },
  {
    flags: '--receipts <by>',
    help: "second check marks, r/<uid>: 'auto' (default: if the server makes them), server, client: receivers, none",
    parse: parseOneOf('auto', 'server', 'client', 'none', 'on', 'off'),
  },
  {
    flags: '--drain <time>',
    help: 'longest wait at the end for messages on their way (default 10s)',
    parse: parseDurationMs,
  },
  {
    flags: '--memory <how>',
    help: "'check' (default) that it fits before the start, or 'watched': by whoever started this",
    parse: parseOneOf('check', 'watched'),
  },
  {
    flags: '--lateness-max <time>',
    help: 'invalid when 1 message in 100 leaves later than this (default 10ms)',
    parse: atLeast(parseDurationMs, 0.001, 'a time'),
  },
  {
    flags: '--fail-if <rule>',
    help: "exit 10 when the rule is true at the end, like 'latency.p99 > 50ms'; may be repeated",
    parse: parseThreshold,
    repeat: true,
  },
  {
    flags: '--find-max <rule>',
    help: "search the highest rate that holds the rule, like 'p99 < 50ms', from --rate on",
    parse: parseThreshold,
  },
  {
    flags: '--hosts <n>',
    help: 'let this many agents (wsar agent) of the lab carry the load out',
    parse: parseCount(1, HOSTS_MAX),
  },
  {
    flags: '--virtual-hosts <n>',
    help: 'the same with agents in network namespaces of this machine, made for the run (root)',
    parse: parseCount(1, VIRTUAL_HOSTS_MAX),
  },
  {
    flags: '--on-loss <policy>',
    help: "when an agent dies: 'abort' (default, exit 13), 'degrade' or 'replace' (by a spare one)",
    parse: parseOneOf('abort', 'degrade', 'replace'),
  },
  { flags: '--hlog <file>', help: 'histograms of each second, in the log format of HdrHistogram' },
  {
    flags: '--calibrate',
    help: 'first measure what the generator can do against a server that does nothing',
  },
  { flags: '--i-own-this-target', help: 'allow a target that is not on this host' },
  { flags: '--json', help: 'one row a second as JSON, the summary as the last line' },
];

/** What --arrivals says. */
export interface Arrivals {
  process: ArrivalProcess;
  trace?: ArrivalTrace;
}

/** 'poisson', 'constant', 'bursts', 'trace:FILE'. */
function parseArrivals(text: string): Arrivals {
  if (text.startsWith('trace:')) {
    return { process: 'trace', trace: readTrace(text.slice('trace:'.length)) };
  }
  const known = ['poisson', 'constant', 'bursts'] as const;
  const process = known.find((name) => name === text);
  if (process !== undefined) return { process };
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `'${text}' is not known here`,
    `use ${known.join(' or ')} or trace:FILE`,
  );
}

function atLeast(
  parse: (text: string) => number,
  min: number,
  what: string,
): (text: string) => number {
  return (text) => {
    const value = parse(text);
    if (value >= min) return value;
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is too short for ${what} here`,
      'take a longer one',
    );
  };
}

function parseMessageRate(text: string): number {
  const ratePerS = parseRatePerS(text);
  if (ratePerS <= RATE_PER_S_MAX) return ratePerS;
  throw new WsarError('WSAR_ERR_USAGE', `'${text}' is too fast`, `at most ${RATE_PER_S_MAX}/s`);
}

function parseRampRate(text: string): number {
  const ratePerS = parseRatePerS(text);
  if (ratePerS > 0) return ratePerS;
  throw new WsarError('WSAR_ERR_USAGE', 'a ramp of 0 logins never ends', 'take for example 1000/s');
}

function parsePayload(text: string): number {
  const bytes = Math.round(parseSizeBytes(text));
  if (bytes >= PAYLOAD_BYTES_MIN && bytes <= PAYLOAD_BYTES_MAX) return bytes;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `a payload of ${text} is not possible`,
    `take ${PAYLOAD_BYTES_MIN} B (it carries send times) to ${PAYLOAD_BYTES_MAX} B`,
  );
}

/** '4.7%', at most everything. */
function parseShare(text: string): number {
  const share = parseRatio(text);
  if (share <= 1) return share;
  throw new WsarError('WSAR_ERR_USAGE', `'${text}' is more than all`, 'take at most 100%');
}

function parseMediaTarget(text: string): Target {
  if (/^https?:/.test(text)) return parseTarget(text);
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `files are not sent to ${text}`,
    'take an http:// target, like http://127.0.0.1:8080/files',
  );
}

function parseUpload(text: string): number {
  const bytes = Math.round(parseSizeBytes(text));
  if (bytes >= 1 && bytes <= UPLOAD_BYTES_MAX) return bytes;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `an upload of ${text} is not possible`,
    'take 1 B to 64 MiB',
  );
}

function parseKeepAlive(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === 0 || (ms >= 1000 && ms <= KEEP_ALIVE_MS_MAX)) return ms;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `a keep-alive of ${text} cannot be said in MQTT`,
    'take 0s (none) or 1s to 65535s',
  );
}
