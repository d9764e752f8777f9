/** How the HTML report looks, in light and in dark. */

export const css = `
:root { color-scheme: light dark; --text: #1c2330; --dim: #667085; --back: #fbfbfc; --card: #fff; --line: #e3e6eb; --green: #18794e; --red: #b42318; --amber: #9a6700; --blue: #2f6fdb }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ef; --dim: #98a2b3; --back: #14171d; --card: #1b1f27; --line: #2d333f; --green: #4cc38a; --red: #ff7b72; --amber: #e3b341; --blue: #6ea8fe } }
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1100px; margin: 0 auto; padding: 24px 20px 60px }
h1 { font-size: 26px; margin: 0 0 4px } h2 { font-size: 19px; margin: 28px 0 10px } h3 { font-size: 16px; margin: 22px 0 8px }
p { margin: 4px 0 } header { border-bottom: 1px solid var(--line); padding-bottom: 16px }
code, pre { font: 13px/1.5 ui-monospace, monospace } code { overflow-wrap: anywhere }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 8px 0; padding: 10px 12px; border-left: 3px solid var(--line); background: var(--back) }
pre.failed { border-color: var(--red) }
table { border-collapse: collapse; width: 100%; background: var(--card); font-size: 14px }
th, td { text-align: left; padding: 4px 10px; border-bottom: 1px solid var(--line); vertical-align: top } th { color: var(--dim); font-weight: 600 }
.number { text-align: right }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap } td.words { overflow-wrap: anywhere; white-space: pre-wrap }
tr.loud td { color: var(--red) }
.badge { display: inline-block; padding: 0 8px; border-radius: 9px; font-size: 12px; line-height: 18px; font-weight: 600; color: var(--red); border: 1px solid currentColor; vertical-align: middle; white-space: nowrap }
.badge.passed { color: var(--green) } .badge.flaky { color: var(--amber) } .badge.not-run { color: var(--dim) }
.dim { color: var(--dim) } summary { cursor: pointer } summary h2, summary h3 { display: inline-block; margin-right: 8px }
.check { background: var(--card); border: 1px solid var(--line); border-bottom-width: 0; padding: 6px 12px } .check:last-child { border-bottom-width: 1px }
.check ul { margin: 6px 0 8px; padding-left: 22px } .check li { overflow-wrap: anywhere; font-size: 14px }
.stages .bar { width: 45% } svg { display: block; width: 100%; height: 12px; margin-top: 5px; background: var(--back) } rect { fill: var(--blue) }
@media print { details > :not(summary) { display: revert } }
`
