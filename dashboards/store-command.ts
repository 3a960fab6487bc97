// `wsar store`: the history store for those who have no ClickHouse server. Starts the embedded engine on a
// folder and offers it on ClickHouse's HTTP interface; says when it is ready and runs until it is told
// to end.

import type { CommandContext, CommandSpec } from '#core/cli/command.ts';
import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { parseCount } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import { readLabEnvironment } from '#core/host/lab-environment.ts';
import { watchLifeline } from '#core/host/lifeline.ts';
import { stateSubfolder } from '#core/host/state-folder.ts';
import { openEmbeddedStore } from '#core/store/embedded/embedded-store.ts';

/** ClickHouse's own port for HTTP. */
const PORT = 8123;

export const command: CommandSpec = {
  name: 'store',
  summary: 'serve the embedded history store over HTTP',
  options: [
    {
      flags: '--port <port>',
      help: `port on 127.0.0.1; 0 for any free one (default: that of WSAR_CLICKHOUSE_URL, else ${PORT})`,
      parse: parseCount(0, 65_535),
    },
    { flags: '--folder <folder>', help: 'where the data is (default: store in the state folder)' },
  ],
  examples: [
    'wsar store',
    'wsar store --port 0 --folder /var/lib/wsar/store',
    'curl "$(cat ~/.local/state/wsar/store/url)/?query=SELECT+count()+FROM+rows"',
  ],
  run,
};

async function run(context: CommandContext): Promise<ExitCode> {
  const { port, folder } = context.options as { port?: number; folder?: string };
  const store = await openEmbeddedStore({
    folder: folder ?? stateSubfolder('store'),
    ...(port === undefined ? {} : { port }),
    portByDefault: PORT,
    givenUrl: readLabEnvironment().storeUrl,
  });
  try {
    context.out(`ready http://127.0.0.1:${store.port}\n`);
    context.out(`url-file ${store.urlFile}\n`);
    await ended(context.signal);
  } finally {
    await store.close();
  }
  return EXIT.ok;
}

/** Resolves on a signal; rejects when the lab that started us is gone. */
function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
    watchLifeline(() => {
      reject(
        new WsarError(
          'WSAR_ERR_PARENT_LOST',
          'the store ends because the process that started it is gone',
          'its data is whole; start it again when it is needed',
        ),
      );
    });
  });
}
