// Roles become colours here. Okabe and Ito's palette, which people with any colour vision can tell
// apart, at its nearest places among the 256; its rough likeness among the 16; or nothing at all.
// Attributes are in the packed form of the screen library: flags << 18 | foreground << 9 | background.

import { ROLE, type Role } from '#tui/view/theme.ts';

/** The terminal's own colour. */
const DEFAULT = 0x1ff;
const BOLD = 1;
const INVERSE = 8;

export interface Palette {
  /** Packed attribute of a role. */
  attribute(role: Role): number;
  /** The same as an escape sequence, for widgets that take text; '' for the terminal's own colour. */
  sequence(role: Role): string;
}

interface Look {
  foreground?: number;
  background?: number;
  flags?: number;
}

const SKY = 74;
const ORANGE = 178;
const GREEN = 35;
const VERMILLION = 166;
const PURPLE = 175;
const GREY = 246;
const DARK_GREY = 240;

const LOOKS_256: Record<Role, Look> = {
  [ROLE.text]: {},
  [ROLE.dim]: { foreground: GREY },
  [ROLE.title]: { flags: BOLD },
  [ROLE.border]: { foreground: DARK_GREY },
  [ROLE.good]: { foreground: SKY },
  [ROLE.bad]: { foreground: VERMILLION, flags: BOLD },
  [ROLE.warn]: { foreground: ORANGE },
  [ROLE.seriesA]: { foreground: SKY },
  [ROLE.seriesB]: { foreground: ORANGE },
  [ROLE.seriesC]: { foreground: GREEN },
  [ROLE.seriesD]: { foreground: PURPLE },
  [ROLE.rule]: { foreground: PURPLE },
  [ROLE.stale]: { foreground: GREY },
  [ROLE.selected]: { flags: BOLD },
  [ROLE.banner]: { foreground: VERMILLION, flags: BOLD | INVERSE },
  [ROLE.key]: { flags: BOLD },
};

const [RED, LIME, YELLOW, MAGENTA, CYAN] = [1, 2, 3, 5, 6] as const;

const LOOKS_16: Record<Role, Look> = {
  [ROLE.text]: {},
  [ROLE.dim]: {},
  [ROLE.title]: { flags: BOLD },
  [ROLE.border]: {},
  [ROLE.good]: { foreground: CYAN },
  [ROLE.bad]: { foreground: RED, flags: BOLD },
  [ROLE.warn]: { foreground: YELLOW },
  [ROLE.seriesA]: { foreground: CYAN },
  [ROLE.seriesB]: { foreground: YELLOW },
  [ROLE.seriesC]: { foreground: LIME },
  [ROLE.seriesD]: { foreground: MAGENTA },
  [ROLE.rule]: { foreground: MAGENTA },
  [ROLE.stale]: {},
  [ROLE.selected]: { flags: BOLD },
  [ROLE.banner]: { foreground: RED, flags: BOLD | INVERSE },
  [ROLE.key]: { flags: BOLD },
};

/** The palette for a terminal of so many colours; with none there is not even bold. */
export function paletteOf(colours: 0 | 16 | 256): Palette {
  const looks = { 0: undefined, 16: LOOKS_16, 256: LOOKS_256 }[colours];
  return {
    attribute: (role) => pack(looks?.[role] ?? {}),
    sequence: (role) => sequence(looks?.[role] ?? {}),
  };
}

function pack({ foreground = DEFAULT, background = DEFAULT, flags = 0 }: Look): number {
  return (flags << 18) | (foreground << 9) | background;
}

function sequence({ foreground, background, flags = 0 }: Look): string {
  const codes = [
    ...((flags & BOLD) === 0 ? [] : [1]),
    ...((flags & INVERSE) === 0 ? [] : [7]),
    ...(foreground === undefined ? [] : [`38;5;${foreground}`]),
    ...(background === undefined ? [] : [`48;5;${background}`]),
  ];
  return codes.length === 0 ? '' : `\x1b[${codes.join(';')}m`;
}
