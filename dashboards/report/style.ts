// The look of the report: one column on a phone, two on a desk, light and dark as the reader's system
// says, and readable on paper.

export const STYLE = `
:root{color-scheme:light dark;--ground:#fff;--ink:#1b1f24;--soft:#5a6470;--rule:#d8dde3;--panel:#f5f7f9;
--a:#1f6fb2;--b:#c2570c;--good:#1a7f37;--bad:#b42318;--calm:#3b5b8c;--warn:#8a6100;--third:#6f42c1}
@media (prefers-color-scheme:dark){:root{--ground:#14171b;--ink:#e6e9ec;--soft:#9aa5b1;--rule:#323940;
--panel:#1d2227;--a:#6cb2ee;--b:#f0934e;--good:#57c271;--bad:#f0857b;--calm:#93b3e6;--warn:#d8b04a;--third:#b596ef}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.2rem 1rem 3rem;max-width:66rem;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
h1{font-size:1.5rem;line-height:1.3;margin:.4rem 0 .3rem}
h2{font-size:1.1rem;margin:2rem 0 .6rem;padding-bottom:.2rem;border-bottom:1px solid var(--rule)}
p{margin:.4rem 0}.soft,.none{color:var(--soft)}.none{padding:2rem 0;text-align:center}
code,pre{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{background:var(--panel);padding:.7rem;overflow-x:auto;border-radius:6px}
.badge{display:inline-block;padding:.1rem .7rem;border-radius:999px;border:2px solid currentColor;font-weight:700}
.is-better{color:var(--good)}.is-worse{color:var(--bad)}.is-equivalent{color:var(--calm)}
.is-inconclusive{color:var(--warn)}.is-invalid{color:var(--bad)}
.cut{border:2px solid var(--bad);border-radius:6px;padding:.6rem .9rem;margin:1rem 0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--rule);vertical-align:top}
th{color:var(--soft);font-weight:600}thead th{vertical-align:bottom}td.n,th.n{text-align:right}
td.n{white-space:nowrap;font-variant-numeric:tabular-nums}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1.2rem;margin-top:1rem}
figure{margin:0;min-width:0}figcaption{font-weight:600;font-size:.95rem}
svg{display:block;width:100%;height:auto}
svg text{fill:var(--soft);font:11.5px system-ui,sans-serif}svg text.label{fill:var(--ink);font-size:13px}
.middle{text-anchor:middle}.end{text-anchor:end}
.grid{stroke:var(--rule);stroke-width:1}.one{stroke:var(--soft);stroke-dasharray:4 3}
.margin{fill:var(--soft);opacity:.16}.forest{max-width:46rem}
.interval{stroke:currentColor;stroke-width:2.5}.point{fill:currentColor}
.band-a{fill:var(--a);opacity:.15}.band-b{fill:var(--b);opacity:.19}.unfit{opacity:.07}
.turn{stroke:var(--soft);stroke-width:1.2}
path{fill:none;stroke-width:1.7;stroke-linejoin:round}
.line-0{stroke:var(--ink)}.line-1{stroke:var(--third)}
.pair{stroke:var(--soft);opacity:.55}
circle.a{fill:var(--a);stroke:var(--a)}rect.b{fill:var(--b);stroke:var(--b)}
circle.unfit,rect.b.unfit{fill:var(--ground);opacity:1;stroke-dasharray:2 1.5}
.key{font-weight:400;font-size:.85rem;color:var(--soft);margin-left:.6rem;white-space:nowrap}
.key i,.dot{display:inline-block;width:.7rem;height:.7rem;margin-right:.3rem;vertical-align:-1px}
.dot-a{background:var(--a);border-radius:50%}.dot-b{background:var(--b)}
.swatch-a{background:var(--a);opacity:.4}.swatch-b{background:var(--b);opacity:.4}
.dot-unfit{border:1.5px dashed var(--soft)}
.key i.swatch-0,.key i.swatch-1{height:3px;vertical-align:4px;background:var(--ink)}
.key i.swatch-1{background:var(--third)}
.yes{color:var(--good)}.no{color:var(--bad);font-weight:600}
details{margin:.6rem 0}summary{cursor:pointer;color:var(--soft)}
@media print{:root{--ground:#fff;--ink:#000;--soft:#444;--rule:#bbb;--panel:#fff}
body{max-width:none;padding:0;font-size:11pt}
figure,tr{break-inside:avoid}h2{break-after:avoid}.plots{grid-template-columns:1fr 1fr}}
`.trim();
