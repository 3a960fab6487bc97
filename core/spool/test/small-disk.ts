// A disk that is full, as a spool sees it: in our own process, where its room can change, and as Linux gives it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { type OpenSpoolFile, openSpoolFile } from '#core/spool/spool-writer.ts';
import { ROOT } from '#test/command.ts';

/**
 * A disk on which `room.bytes` more fit. A write beyond takes what fits, as on Linux; what stands already takes
 * no room again, and what is cut off gives its room back.
 */
export function smallDisk(room: { bytes: number }): OpenSpoolFile {
  return async (path) => {
    const file = await openSpoolFile(path);
    let size = statSync(path).size;
    const resize = (bytes: number): void => {
      room.bytes -= bytes - size;
      size = bytes;
    };
    return {
      async write(buffer: Buffer, offset: number, length: number, position: number) {
        const part = Math.min(length, size + room.bytes - position);
        if (part <= 0) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
        resize(Math.max(size, position + part));
        return await file.write(buffer, offset, part, position);
      },
      async truncate(length: number) {
        resize(length);
        await file.truncate(length);
      },
      datasync: () => file.datasync(),
      close: () => file.close(),
    } as Awaited<ReturnType<OpenSpoolFile>>;
  };
}

/**
 * Runs a module on a file system of 64 KiB at `folder`; returns the JSON that it printed, or skips the test and
 * returns undefined where we may mount none.
 */
export function runOnSmallFileSystem(t: TestContext, folder: string, script: string): unknown {
  const mount = 'mount -t tmpfs -o size=64k none "$1" || exit 77; shift; exec "$@"';
  const command = [process.execPath, '--input-type=module', '-e', script];
  const { error, status, stdout, stderr } = spawnSync(
    'unshare',
    ['-m', 'sh', '-c', mount, 'sh', folder, ...command],
    { cwd: ROOT, encoding: 'utf8' },
  );
  if (error !== undefined || status === 77 || /unshare failed/.test(stderr)) {
    t.skip('only root may mount a small file system');
    return undefined;
  }
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}
