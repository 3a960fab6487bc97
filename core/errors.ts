// The one error type that reaches a person: what went wrong, where, and what to do about it.
//
// Operating errors (a port in use, a wrong file) are WsarError; they carry a stable code and the exit
// code of the process. Anything else that escapes is a bug and exits 1. All codes stand in `ERROR_CODES`
// and, with their remedies, in docs/errors.md; a test keeps the two equal.

import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';

/** Every stable error code, and the exit code that a process ends with because of it. */
export const ERROR_CODES = {
  /** An option or argument of a command is wrong. */
  WSAR_ERR_USAGE: EXIT.usage,
  /** An experiment or configuration file is wrong; the message names file and line. */
  WSAR_ERR_FILE: EXIT.usage,
  /** A quantity lacks its unit or cannot be read. */
  WSAR_ERR_QUANTITY: EXIT.usage,
  /** A command needs a terminal and has none. */
  WSAR_ERR_NO_TERMINAL: EXIT.usage,
  /** A target that is not loopback was named without --i-own-this-target. */
  WSAR_ERR_TARGET_NOT_OWNED: EXIT.usage,
  /** The port is taken. */
  WSAR_ERR_PORT_IN_USE: EXIT.hostCannot,
  /** The host lacks memory for what was asked. */
  WSAR_ERR_MEMORY: EXIT.hostCannot,
  /** A limit of the host (descriptors, ports) is below what was asked. */
  WSAR_ERR_LIMIT: EXIT.hostCannot,
  /** The requested engine cannot run on this host. */
  WSAR_ERR_ENGINE: EXIT.hostCannot,
  /** A system call failed in a way the caller cannot repair. */
  WSAR_ERR_SYSTEM: EXIT.hostCannot,
  /** The package of an optional part is not installed. */
  WSAR_ERR_PART_MISSING: EXIT.hostCannot,
  /** A target, agent, bus or store does not answer or was lost. */
  WSAR_ERR_UNREACHABLE: EXIT.unreachable,
  /** The process that started this one is gone. */
  WSAR_ERR_PARENT_LOST: EXIT.unreachable,
  /** A stop rule ended the run. */
  WSAR_ERR_STOP_RULE: EXIT.stopRule,
  /** The run cannot be judged: generator late, host noisy, coverage lost. */
  WSAR_ERR_INVALID_RUN: EXIT.invalidRun,
} as const satisfies Record<string, ExitCode>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** An operating error: `message` says what and where, `hint` what to do. */
export class WsarError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'WsarError';
    this.code = code;
    this.hint = hint;
  }

  /** Exit code of a process that ends because of this error. */
  get exitCode(): ExitCode {
    return ERROR_CODES[this.code];
  }
}
