// Installs the packages once, and again when package-lock.json changed. Runs before `npm start` and
// `npm test`, on whatever Node the machine has, so it is plain JavaScript without dependencies.
// `npm install` and not `npm ci`: a registry that lacks the optional package of some other platform
// makes a lock file that `ci` refuses and `install` takes; `--no-save` leaves the lock file as it is.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const lock = join(root, 'package-lock.json');
const installedMark = join(root, 'node_modules', '.package-lock.json');

function isInstalled() {
  return existsSync(installedMark) && statSync(installedMark).mtimeMs >= statSync(lock).mtimeMs;
}

if (!isInstalled()) {
  process.stderr.write('wsar: installing packages (once)\n');
  const npm = process.env.npm_execpath;
  const [command, first] = npm ? [process.execPath, [npm]] : ['npm', []];
  const result = spawnSync(command, [...first, 'install', '--no-save', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (result.status !== 0) {
    process.stderr.write('wsar: `npm install` failed; see the lines above\n');
    process.exit(3);
  }
}
