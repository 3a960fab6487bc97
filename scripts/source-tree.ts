// The source files of the project as the tidy test sees them: what git tracks or would track.

import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

export interface SourceFile {
  /** Path from the root, with slashes. */
  path: string;
  text: string;
  sizeBytes: number;
  /** Whether the file is executable. */
  executable: boolean;
}

/** Every file that is tracked or new and not ignored, in order of path. */
export function sourceFiles(): SourceFile[] {
  const listed = execFileSync(
    'git',
    ['ls-files', '--cached', '--others', '--exclude-standard', '-z'],
    {
      cwd: ROOT,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  return [...new Set(listed.split('\0'))]
    .filter((path) => path !== '')
    .sort()
    .flatMap((path) => {
      const stat = statSync(join(ROOT, path), { throwIfNoEntry: false });
      if (stat === undefined || !stat.isFile()) return [];
      const text = readFileSync(join(ROOT, path), 'utf8');
      return [{ path, text, sizeBytes: stat.size, executable: (stat.mode & 0o111) !== 0 }];
    });
}

/** What a TypeScript file imports, as paths from the root ('core/assert.ts') or package names ('koffi'). */
export function importsOf(file: SourceFile): string[] {
  const pattern = new RegExp(
    [
      String.raw`(?:^|[\s;])(?:import|export)\s[^'"\x60;]*?from\s*['"]([^'"]+)['"]`,
      String.raw`\bimport\(\s*['"]([^'"]+)['"]`,
      String.raw`^import\s+['"]([^'"]+)['"]`,
    ].join('|'),
    'gm',
  );
  return [...file.text.matchAll(pattern)].map((match) =>
    resolveImport(file.path, match[1] ?? match[2] ?? match[3]!),
  );
}

function resolveImport(from: string, specifier: string): string {
  if (specifier.startsWith('#')) return specifier.slice(1);
  if (specifier.startsWith('.')) return join(dirname(from), specifier);
  if (specifier.startsWith('node:')) return specifier;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
