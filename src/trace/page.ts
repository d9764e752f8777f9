/** `relish trace html`: one page with the trace in it, for a browser without a network. Its looks and its script are `templates/trace-page.html`. */

import type { JoinedTrace } from './join.ts'
import { pageData } from './page-data.ts'

/** Where the template takes the data. */
const place = '/*TRACE*/null'

/** `template`: the text of `templates/trace-page.html`. `span`: only what happened then. */
export function tracePage(trace: JoinedTrace, template: string, span: { readonly fromUs?: number; readonly toUs?: number } = {}): string {
  // Nothing in the data can end the script element it stands in.
  const data = JSON.stringify(pageData(trace, span)).replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
  return template.replace(place, () => data)
}
