// A sentence about a line of an experiment file.

import type { WsarError } from '#core/errors.ts';
import { type FileKind, fileError } from '#core/yaml/yaml-tree.ts';

export const EXPERIMENT_FILE: FileKind = { name: 'experiment', manual: 'docs/tools/run.md' };

/** WSAR_ERR_FILE; without a hint of its own it names the manual. */
export function experimentError(
  file: string,
  line: number,
  message: string,
  hint = `${EXPERIMENT_FILE.manual} describes the file`,
): WsarError {
  return fileError(file, line, message, hint);
}
