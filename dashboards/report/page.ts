// The frame of a report: one HTML page that opens from a file, offline, without a script or any outside resource.

import { el, type Markup, trusted } from '#dashboards/report/markup.ts';
import { STYLE } from '#dashboards/report/style.ts';

/** Nothing may be loaded or run; the style sheet is in the page. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** The page as text. The same sections give the same bytes. */
export function page(title: string, sections: readonly (Markup | null)[]): string {
  const head = el('head', {}, [
    el('meta', { charset: 'utf-8' }),
    el('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    el('meta', { 'http-equiv': 'Content-Security-Policy', content: POLICY }),
    el('title', {}, title),
    el('style', {}, trusted(STYLE)),
  ]);
  const body = sections.flatMap((section) => (section === null ? [] : [section, '\n']));
  return `<!doctype html>\n${el('html', { lang: 'en' }, head, '\n', el('body', {}, body)).text}\n`;
}
