/* tools/lint_css.c: the looks of the page. One accent; severities differ in shape and in colours that remain apart for whoever sees fewer of them. */
#include "tools/lint_page.h"

const char *const lint_css[] = {
	":root{color-scheme:light dark;--bg:#fff;--panel:#f6f7f9;--line:#dfe3e8;--text:#1c2430;--soft:#56616f;--accent:#0b62b0;--tint:#d5e6f6;"
	"--err:#b93a00;--errbg:#fcebe3;--warn:#8f5f00;--warnfill:#e69f00;--warnbg:#fdf4dd;--note:#56616f;--notebg:#eef1f4;--ok:#00705a;--okbg:#e0f3ee;"
	"--cp1:#c9d1da;--cp2:#e3e8ed}\n",
	"@media(prefers-color-scheme:dark){:root{--bg:#12161b;--panel:#1a2027;--line:#303a45;--text:#e4e9ee;--soft:#9ba8b6;--accent:#6cb3f2;--tint:#1d3c58;"
	"--err:#ff8a57;--errbg:#3a2117;--warn:#eab54a;--warnfill:#e69f00;--warnbg:#352a12;--note:#9ba8b6;--notebg:#232b33;--ok:#4cc9a8;--okbg:#12322a;"
	"--cp1:#46525f;--cp2:#2d3742}}\n",
	"*{box-sizing:border-box}"
	"html{-webkit-text-size-adjust:100%;scroll-padding-top:1rem}"
	"body{margin:0;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif;overflow-wrap:anywhere}"
	"header,main,footer{max-width:74rem;margin:0 auto;padding:0 1.25rem}"
	"header{padding-top:1.5rem}"
	"a{color:var(--accent);text-underline-offset:.15em}"
	"a:focus-visible,[tabindex]:focus-visible{outline:2px solid var(--accent);outline-offset:2px}"
	".skip{position:absolute;left:-99rem}.skip:focus{position:static}"
	".brand{margin:0;color:var(--soft);font-size:.87rem}.brand b{color:var(--accent);font-weight:600}"
	"h1{font-size:1.6rem;line-height:1.25;margin:.15rem 0 1rem;font-weight:650;letter-spacing:-.01em}"
	"h2{font-size:1.22rem;margin:2.5rem 0 .6rem;font-weight:650;letter-spacing:-.005em}"
	"h3{font-size:.95rem;margin:1.5rem 0 .35rem;font-weight:650}"
	"p{margin:.4rem 0;max-width:48rem}.soft{color:var(--soft)}.small{font-size:.87rem}"
	"code,.mono{font-family:ui-monospace,\"DejaVu Sans Mono\",Menlo,Consolas,monospace;font-size:.9em}"
	".verdict{display:flex;gap:.9rem;align-items:flex-start;border-radius:8px;padding:.9rem 1.1rem;margin:0 0 1rem;background:var(--okbg)}"
	".verdict svg{flex:none;width:28px;height:28px;margin-top:.15rem}"
	".verdict strong{font-size:1.2rem;line-height:1.3;display:block;font-weight:650}.verdict p{margin:.2rem 0 0}"
	".v0{background:var(--notebg)}.v1{background:var(--warnbg)}.v2{background:var(--errbg)}"
	"dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(10.5rem,1fr));gap:.6rem 1.25rem;margin:.8rem 0}"
	"dl>div{min-width:0}.two{grid-column:span 2}.pictures td,.pictures tbody th{padding-top:.25rem;padding-bottom:.25rem}dt{color:var(--soft);font-size:.8rem}dd{margin:0;font-size:.93rem;font-variant-numeric:tabular-nums}",
	"table{border-collapse:collapse;width:100%;font-size:.9rem;margin:.5rem 0 1rem}"
	"th,td{text-align:left;vertical-align:top;padding:.4rem .9rem .4rem 0;border-bottom:1px solid var(--line)}"
	"thead th{color:var(--soft);font-weight:500;font-size:.8rem;white-space:nowrap;border-bottom-color:var(--soft);vertical-align:bottom}"
	"th{overflow-wrap:break-word}tbody th{font-weight:500}td:last-child,th:last-child{padding-right:0}"
	".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}.nw{white-space:nowrap}"
	".sev{white-space:nowrap}.sev svg{width:14px;height:14px;vertical-align:-2px;margin-right:.35rem}.s2{color:var(--err)}.s1{color:var(--warn)}.s0{color:var(--note)}"
	".says{display:block;color:var(--soft);font-size:.87rem}"
	"tr:target{background:var(--tint)}"
	"section.session{border-top:1px solid var(--line);margin-top:2.5rem}section.session h2{margin-top:1.3rem}"
	".ends{margin:0;max-width:none;display:flex;flex-wrap:wrap;gap:.1rem .6rem}"
	".pictures{display:grid;grid-template-columns:minmax(0,1.55fr) minmax(0,1fr);gap:0 2.5rem;align-items:start}"
	"figure{margin:.6rem 0 1.2rem}figcaption{color:var(--soft);font-size:.87rem;max-width:52rem;margin-top:.35rem}"
	".legend{display:flex;flex-wrap:wrap;gap:.15rem 1.1rem;color:var(--soft);font-size:.82rem;padding:0;margin:.3rem 0;list-style:none}"
	".legend svg{width:22px;height:12px;vertical-align:-1px;margin-right:.3rem}",
	".lane{display:grid;grid-template-columns:66px minmax(0,1fr)}.lane svg{display:block;width:100%;overflow:visible}"
	".lane h4{grid-column:1/-1;margin:.7rem 0 .2rem;font-size:.87rem;font-weight:600}.lane h4 span{font-weight:400;color:var(--soft)}"
	"svg text{font-size:11px;fill:var(--soft);font-variant-numeric:tabular-nums}svg a text{fill:var(--accent)}svg .in{fill:var(--text)}"
	".grid{stroke:var(--line);stroke-width:1}.base{stroke:var(--soft);stroke-width:1}"
	".limit{stroke:var(--err);stroke-width:1.5;stroke-dasharray:5 3}svg .limitt{fill:var(--err);paint-order:stroke;stroke:var(--bg);stroke-width:3px}"
	".cp1{fill:var(--cp1)}.cp2{fill:var(--cp2)}.guess{fill:none;stroke:var(--soft);stroke-dasharray:2 2}"
	".win{fill:var(--tint)}.air{stroke:var(--accent);stroke-width:3}.dot{fill:var(--accent)}.stem{stroke:var(--accent);stroke-width:1;opacity:.45}"
	".range{stroke:var(--accent);stroke-width:2.5;stroke-linecap:round}.bar{fill:var(--accent)}.life{fill:var(--cp1)}.gap{stroke:var(--warn);stroke-width:1.5;stroke-dasharray:2 2}"
	".q{stroke:var(--text);stroke-width:1}svg .qt{fill:var(--text)}"
	".me{fill:var(--err)}.mw{fill:var(--warnfill)}.mn{fill:var(--bg);stroke:var(--note);stroke-width:1.6}.mx{stroke:var(--bg);stroke-width:1.8;stroke-linecap:round}"
	".mi{fill:#1c1400}.mo{fill:var(--bg);stroke:var(--err);stroke-width:1.6}.mk{fill:var(--ok)}"
	"footer{border-top:1px solid var(--line);margin-top:3rem;padding-top:.9rem;padding-bottom:2rem;color:var(--soft);font-size:.87rem}\n",
	"@media(max-width:62rem){.pictures{grid-template-columns:minmax(0,1fr)}}\n",
	/* A table on a narrow page: each row a block, each cell behind its column's name. */
	"@media screen and (max-width:44rem){body{font-size:14px}header,main,footer{padding-left:.9rem;padding-right:.9rem}h1{font-size:1.3rem}.wide{display:none}"
	".rows thead{position:absolute;left:-99rem}.rows,.rows tbody,.rows tr,.rows th,.rows td{display:block;width:auto}"
	".rows tr{border-bottom:1px solid var(--line);padding:.5rem 0}.rows th,.rows td{border:0;padding:.05rem 0;text-align:left;white-space:normal}"
	".rows td:empty{display:none}.rows [data-l]:before{content:attr(data-l) \" \";color:var(--soft);font-size:.8rem;display:inline-block;min-width:5.2rem;margin-right:.3rem}.rows .says{padding-left:0}"
	".lane{grid-template-columns:52px minmax(0,1fr)}dl{grid-template-columns:1fr 1fr;gap:.5rem 1rem}}\n",
	"@media print{:root{--bg:#fff;--panel:#f6f7f9;--line:#ccd2d9;--text:#000;--soft:#444e5a;--accent:#0b62b0;--tint:#d5e6f6;--err:#b93a00;--errbg:#fcebe3;"
	"--warn:#8f5f00;--warnbg:#fdf4dd;--note:#56616f;--notebg:#eef1f4;--ok:#00705a;--okbg:#e0f3ee;--cp1:#c9d1da;--cp2:#e3e8ed}"
	"html{font-size:11.5px}body{font-size:1rem;print-color-adjust:exact;-webkit-print-color-adjust:exact}header,main,footer{max-width:none;padding-left:0;padding-right:0}"
	"a{color:inherit;text-decoration:none}.skip,nav{display:none}thead{display:table-header-group}tr,figure,.verdict,.lane{break-inside:avoid}h2,h3,h4{break-after:avoid}"
	"@page{margin:16mm 14mm}}\n",
	NULL
};
