// Tells the workers what stands under $SYS/: every `sys.interval` seconds, and of it what has changed. It is the
// first thing that is shed: a tick that came late, a worker that has not read the last texts, or one that worked for
// nearly all of the interval means that nothing is told (counted), until there is time again.

import { packageVersion } from '#core/package-version.ts';
import type { ServerRows } from '#reference-server/report/server-rows.ts';
import { sysTopics } from '#reference-server/report/sys-topics.ts';
import type { Server } from '#reference-server/server.ts';
import { mailboxSecond } from '#reference-server/statistics/queue-watch.ts';
import type { ServerAlerts } from '#reference-server/statistics/server-alerts.ts';

/** A worker that works for more than so many per cent of the time has no time for this. */
const BUSY_PERCENT = 95;

export class SysPublisher {
  readonly #server: Server;
  readonly #rows: ServerRows;
  readonly #startUs: number;
  readonly #version = packageVersion();
  /** What the workers were told. */
  #told = new Map<string, string>();
  #ticks = 0;
  #clientsMaximum = 0;
  /** Times that it was due and left out. */
  shed = 0;

  constructor(server: Server, rows: ServerRows, startUs: number) {
    this.#server = server;
    this.#rows = rows;
    this.#startUs = startUs;
  }

  /** Once a second, with the values of the row. `isLate`: ticks were missed before this one. */
  tick(values: Record<string, number>, alerts: ServerAlerts, nowUs: number, isLate: boolean): void {
    this.#clientsMaximum = Math.max(this.#clientsMaximum, values['wsar.server.sessions'] ?? 0);
    const { sysIntervalS } = this.#server.settings;
    if (sysIntervalS === 0 || ++this.#ticks < sysIntervalS) return;
    this.#ticks = 0;
    const { busiest, shares } = this.#rows.loops;
    if (isLate || busiest > BUSY_PERCENT || !this.#server.canTellSystem) {
      this.shed++;
      return;
    }
    const now = sysTopics({
      values,
      sweep: this.#rows.sweep,
      slow: this.#rows.slow,
      alerts: alerts.raised,
      nowS: mailboxSecond(),
      loops: shares,
      uptimeS: (nowUs - this.#startUs) / 1e6,
      version: this.#version,
      clientsMaximum: this.#clientsMaximum,
    });
    const changed = [...now].filter(([topic, text]) => this.#told.get(topic) !== text);
    for (const topic of this.#told.keys()) if (!now.has(topic)) changed.push([topic, '']);
    this.#told = now;
    if (changed.length > 0) this.#server.tellSystem(changed);
  }
}
