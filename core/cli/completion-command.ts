// `wsar completion`: a shell script that completes commands and options. It is made of the same tables as help, and
// holds their words, so that a Tab starts no process.

import type { CommandContext, CommandSpec } from '#core/cli/command.ts';
import { COMMANDS, DEFAULT_COMMAND, importCommand } from '#core/cli/command-list.ts';
import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { WsarError } from '#core/errors.ts';

export const command: CommandSpec = {
  name: 'completion',
  summary: 'print a script with which a shell completes commands and options',
  args: [{ name: '<shell>', help: 'bash' }],
  examples: [
    'wsar completion bash > ~/.local/share/bash-completion/completions/wsar',
    'eval "$(wsar completion bash)"     (in ~/.bashrc)',
  ],
  run,
};

async function run({ args, root, out }: CommandContext): Promise<ExitCode> {
  if (args[0] !== 'bash') {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `no script is known for the shell '${args[0]}'`,
      'take bash',
    );
  }
  const options = new Map<string, string[]>();
  for (const name of Object.keys(COMMANDS)) {
    options.set(name, optionsOf(await importCommand(name, root)));
  }
  out(script(options));
  return EXIT.ok;
}

/** '-c, --conf <file>' is both words. */
function optionsOf({ options }: CommandSpec): string[] {
  const flags = (options ?? []).flatMap(({ flags }) => flags.split(', '));
  return [...flags.map((flag) => flag.split(' ')[0]!), '--help'];
}

/** Options where a word begins with a dash, commands in their place; all else is a file, as without this. */
function script(options: ReadonlyMap<string, string[]>): string {
  const names = [...options.keys()];
  const arms = names.map((name) => `    ${name}) words='${options.get(name)!.join(' ')}' ;;\n`);
  const bare = `${options.get(DEFAULT_COMMAND)!.join(' ')} --version`;
  return `_wsar() {
  local current=\${COMP_WORDS[COMP_CWORD]} command=\${COMP_WORDS[1]} words=
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 && $current != -* || $COMP_CWORD -eq 2 && $command == help ]]; then
    COMPREPLY=($(compgen -W '${names.join(' ')} help' -- "$current"))
    return
  fi
  [[ $current == -* ]] || return 0
  case $command in
${arms.join('')}    *) words='${bare}' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _wsar wsar
`;
}
