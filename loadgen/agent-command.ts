// `wsar agent`: puts this host at the disposal of a lab. It waits on the lab's bus, carries out its part
// of every load that a controller (`wsar load --hosts`) plans, and says goodbye by its last will if it dies.

import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { CommandContext, CommandSpec } from '#core/cli/command.ts';
import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { WsarError } from '#core/errors.ts';
import { readLabEnvironment } from '#core/host/lab-environment.ts';
import { type AddressBlock, parseSources } from '#loadgen/address-block.ts';
import { runAgent } from '#loadgen/hosts/agent-session.ts';

export const command: CommandSpec = {
  name: 'agent',
  summary: 'carry out a part of the loads that a controller plans',
  options: [
    {
      flags: '--id <name>',
      help: 'name in the lab: letters, digits, - and _ (default: host name and process id)',
      parse: parseId,
    },
    { flags: '--bus-file <file>', help: 'file with the url of the bus (else WSAR_BUS_URL)' },
    {
      flags: '--sources <list>',
      help: 'addresses that connections come from: blocks, addresses, interfaces (else as the controller says)',
      parse: parseSources,
    },
    { flags: '--once', help: 'end after one load' },
  ],
  examples: [
    'wsar agent    (the bus is the one of WSAR_BUS_URL)',
    'wsar agent --bus-file /run/secrets/wsar-bus --once',
  ],
  run,
};

async function run(context: CommandContext): Promise<ExitCode> {
  const { options } = context;
  const { busUrl, lab } = readLabEnvironment();
  const url = options['busFile'] === undefined ? busUrl : readUrl(options['busFile'] as string);
  if (url === undefined) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      'an agent needs the bus of a lab, and none is named',
      'set WSAR_BUS_URL, or give --bus-file FILE',
    );
  }
  await runAgent(context, {
    busUrl: url,
    lab,
    id: (options['id'] as string | undefined) ?? defaultId(),
    sources: options['sources'] as AddressBlock[] | undefined,
    isOnce: options['once'] === true,
  });
  return EXIT.ok;
}

function defaultId(): string {
  return `${hostname().replace(/[^A-Za-z0-9_-]/g, '-')}-${process.pid}`;
}

function parseId(text: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(text)) return text;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `'${text}' is no name for an agent`,
    'take letters, digits, - and _, at most 64',
  );
}

function readUrl(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_FILE',
      `--bus-file ${file} cannot be read: ${(error as Error).message}`,
      'name a file with the url of the bus',
      error,
    );
  }
}
