// `wsar tee`: the command line of the tee. Turns options into settings and checks everything that can be
// checked before anything is started.

import type { CommandContext, CommandSpec } from '#core/cli/command.ts';
import type { ExitCode } from '#core/cli/exit-code.ts';
import {
  parseCount,
  parseDurationMs,
  parseHostPort,
  parseRatio,
  parseSizeBytes,
} from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import { descriptorLimit } from '#core/host/descriptor-limit.ts';
import { isLoopback } from '#core/host/ipv4.ts';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import type { EngineName } from '#core/socket/reactor.ts';
import { runTee, type TeeSettings } from '#tee-proxy/tee-session.ts';
import {
  checkRoutes,
  type HostPort,
  resolveListen,
  resolveTarget,
} from '#tee-proxy/tee-targets.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SHADOWS_MAX = 16;
const CONNECTIONS_DEFAULT = 16_384;
const CONNECTIONS_MAX = 1_000_000;
/** One read of a client (64 KiB) must fit, twice for what came before the upstream was there. */
const SHADOW_BUFFER_MIN = 128 * KIB;
const SHADOW_BUFFER_MAX = 1024 * MIB;
/** Descriptors for everything that is no connection: files, pipes, the bus. */
const DESCRIPTORS_KEPT = 128;

export const command: CommandSpec = {
  name: 'tee',
  summary: 'pass traffic to production and a bounded copy to a shadow',
  options: [
    {
      flags: '--listen <host:port>',
      help: 'where clients connect; a bare PORT is on 127.0.0.1, port 0 takes a free one',
      parse: parseHostPort,
    },
    { flags: '--upstream <host:port>', help: 'production: gets every byte', parse: parseHostPort },
    {
      flags: '--shadow <host:port>',
      help: "gets a copy of the clients' bytes; may be given several times",
      parse: parseHostPort,
      repeat: true,
    },
    {
      flags: '--share <ratio>',
      help: 'share of connections that is copied, 0..1 or in % (live knob tee.share)',
      parse: parseShare,
      default: 1,
    },
    {
      flags: '--seed <n>',
      help: 'seed of the choice which connections are copied',
      parse: parseCount(0, 0xffffffff),
      default: 1,
    },
    {
      flags: '--shadow-buffer <size>',
      help: 'bytes that may wait for one shadow connection before its copy is given up (default: 16 MiB)',
      parse: parseShadowBuffer,
    },
    {
      flags: '--connections <n>',
      help: 'client connections at a time; more wait in the backlog (default: 16384, or what descriptors allow)',
      parse: parseCount(1, CONNECTIONS_MAX),
    },
    {
      flags: '--engine <name>',
      help: 'socket engine: ring, epoll, net or auto',
      parse: parseEngine,
      default: 'auto',
    },
    {
      flags: '--workers <n>',
      help: 'production threads; the kernel spreads clients over them',
      parse: parseCount(1, 64),
      default: 1,
    },
    { flags: '--duration <time>', help: 'end by itself after this time', parse: parseDurationMs },
    { flags: '--json', help: 'one row a second and the summary as JSON lines' },
    {
      flags: '--i-own-this-target',
      help: 'allow an upstream or shadow that is not on loopback',
    },
  ],
  examples: [
    'wsar tee --listen 127.0.0.1:1884 --upstream 127.0.0.1:1883 --shadow 127.0.0.1:1885',
    'wsar tee --listen 1884 --upstream 1883 --shadow 1885 --share 10% --json',
  ],
  async run(context: CommandContext): Promise<ExitCode> {
    return await runTee(context, await settle(context));
  },
};

/** Options to settings; refuses what cannot work, before anything is started. */
async function settle({ options, talk }: CommandContext): Promise<TeeSettings> {
  const listen = await resolveListen(required(options['listen'], '--listen'));
  const isOwned = options['iOwnThisTarget'] === true;
  const upstream = await resolveTarget(
    'upstream',
    required(options['upstream'], '--upstream'),
    isOwned,
  );
  const wanted = (options['shadow'] ?? []) as HostPort[];
  if (wanted.length > SHADOWS_MAX) {
    throw usage(`${wanted.length} shadows are more than ${SHADOWS_MAX}`, 'give fewer');
  }
  const shadows = await Promise.all(
    wanted.map((shadow) => resolveTarget('shadow', shadow, isOwned)),
  );
  checkRoutes(listen, upstream, shadows);
  const { engine, reason } = chooseEngine(options['engine'] as EngineName | 'auto');
  talk(`wsar tee: engine ${engine}: ${reason}\n`);
  if (!isLoopback(listen.host)) {
    talk(
      `wsar tee: listening on ${listen.host}: every host that reaches it can use the upstream\n`,
    );
  }
  return {
    listen,
    upstream,
    shadows,
    engine,
    share: options['share'] as number,
    seed: options['seed'] as number,
    shadowBufferBytes: (options['shadowBuffer'] as number | undefined) ?? 16 * MIB,
    workers: options['workers'] as number,
    connectionsMax: settleConnections(
      options['connections'] as number | undefined,
      engine,
      shadows.length,
    ),
    durationMs: options['duration'] as number | undefined,
    isJson: options['json'] === true,
  };
}

/** All engines but ring need a descriptor for each socket; a copy may linger while its client's slot is used again. */
function settleConnections(
  wanted: number | undefined,
  engine: EngineName,
  shadows: number,
): number {
  if (engine === 'ring') return wanted ?? CONNECTIONS_DEFAULT;
  // macOS, without /proc, gives Node 10,240 at least.
  const limit = descriptorLimit() ?? 10_240;
  const fitting = Math.max(1, Math.floor((limit - DESCRIPTORS_KEPT) / (2 + 2 * shadows)));
  if (wanted !== undefined && wanted > fitting) {
    throw new WsarError(
      'WSAR_ERR_LIMIT',
      `--connections ${wanted} needs more descriptors than the limit of ${limit} allows (${fitting} fit)`,
      'raise it (ulimit -n), give fewer connections, or take engine ring',
    );
  }
  return wanted ?? Math.min(CONNECTIONS_DEFAULT, fitting);
}

function required(value: unknown, flag: string): HostPort {
  if (value === undefined) throw usage(`${flag} is missing`, 'write it like 127.0.0.1:1883');
  return value as HostPort;
}

function parseShare(text: string): number {
  const share = parseRatio(text);
  if (share > 1) throw usage(`--share ${text} is more than everything`, 'give 0..1, or 0 %..100 %');
  return share;
}

function parseShadowBuffer(text: string): number {
  const bytes = Math.floor(parseSizeBytes(text));
  if (bytes < SHADOW_BUFFER_MIN || bytes > SHADOW_BUFFER_MAX) {
    throw usage(`--shadow-buffer ${text} is out of range`, 'give 128 KiB to 1 GiB');
  }
  return bytes;
}

function parseEngine(text: string): EngineName | 'auto' {
  if (text === 'ring' || text === 'epoll' || text === 'net' || text === 'auto') return text;
  throw usage(`there is no engine '${text}'`, 'take ring, epoll, net or auto');
}

function usage(message: string, hint: string): WsarError {
  return new WsarError('WSAR_ERR_USAGE', message, hint);
}
