// This host's name as it stands in topics and rows.

import { hostname } from 'node:os';

/** The name with everything that means something in a topic or a path replaced by '-'. */
export function hostName(name: string = hostname()): string {
  return name.replace(/[^A-Za-z0-9._-]/g, '-') || 'host';
}
