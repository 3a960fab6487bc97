// What the terminal can show, as far as the environment tells. Whether a stream is a terminal at all is
// asked of the stream itself.

export interface TerminalTraits {
  /** $TERM, lower case; '' when it is not set. */
  term: string;
  /** The cursor can be moved; false for TERM=dumb and for none. */
  canMove: boolean;
  /** 0 when colours are switched off (NO_COLOR) or there are none. */
  colours: 0 | 16 | 256;
  /** Text beyond ASCII is shown as it is meant. */
  isUtf8: boolean;
}

export function readTerminal(env: NodeJS.ProcessEnv = process.env): TerminalTraits {
  const term = (env['TERM'] ?? '').toLowerCase();
  const canMove = term !== '' && term !== 'dumb';
  return { term, canMove, colours: canMove ? coloursOf(term, env) : 0, isUtf8: isUtf8(term, env) };
}

/** NO_COLOR counts when it is set to anything but the empty string (no-color.org). */
function coloursOf(term: string, env: NodeJS.ProcessEnv): 0 | 16 | 256 {
  if ((env['NO_COLOR'] ?? '') !== '') return 0;
  if (/^vt[12]/.test(term)) return 0;
  if (/256|direct|kitty|alacritty|ghostty|tmux/.test(term)) return 256;
  return (env['COLORTERM'] ?? '') === '' ? 16 : 256;
}

/** The first of LC_ALL, LC_CTYPE and LANG that is set decides (setlocale(3)). The kernel's console has few signs. */
function isUtf8(term: string, env: NodeJS.ProcessEnv): boolean {
  if (term === 'linux') return false;
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((value) => value);
  return /utf-?8/i.test(locale ?? '');
}
