/**
 * The small template language of `templates/*.torrc`. A template is a torrc; `@include FILE` brings in another one;
 * `${name}` stands for a variable. Two marks decide about whole lines: a line with `${name?}` is left out when the
 * variable has no value, and a line with `${name*}` comes once for each value of a list. Comments go through, so that
 * the torrc a node gets says why each option is there.
 */

import { RelishError } from '../core/base/errors.ts'
import { nearest } from '../core/base/nearest.ts'
import { templateDepthMax } from './limits.ts'

export type TemplateVariables = { readonly [name: string]: string | number | readonly string[] | undefined }

/** `read` gives a template's text by name; undefined if there is none. */
export function renderTemplate(name: string, variables: TemplateVariables, read: (name: string) => string | undefined): string {
  return render(name, variables, read, 0).join('\n') + '\n'
}

function render(name: string, variables: TemplateVariables, read: (name: string) => string | undefined, depth: number): string[] {
  const fail = (line: number, message: string): RelishError => new RelishError('config', `${name}:${line}: ${message}`, { position: { file: name, line } })
  if (depth > templateDepthMax) throw new RelishError('config', `templates include each other more than ${templateDepthMax} deep, last ${name}`)
  const text = read(name)
  if (text === undefined) throw new RelishError('config', `there is no template ${name}`)
  const out: string[] = []
  for (const [index, line] of text.replace(/\n$/, '').split('\n').entries()) {
    const include = /^@include\s+(\S+)\s*$/.exec(line)
    if (include !== null) {
      out.push(...render(include[1] ?? '', variables, read, depth + 1))
    } else if (line.startsWith('@')) {
      throw fail(index + 1, `unknown directive ${line.split(/\s/)[0]}`)
    } else {
      out.push(...fill(line, variables, (message) => fail(index + 1, message)))
    }
  }
  return out
}

const reference = /\$\{([A-Za-z0-9]+)([?*]?)\}/g

function fill(line: string, variables: TemplateVariables, fail: (message: string) => RelishError): string[] {
  if (line.startsWith('#') || !line.includes('${')) return [line]
  let lines = [line]
  for (const [whole, name = '', mark] of line.matchAll(reference)) {
    if (!(name in variables)) {
      const best = nearest(name, Object.keys(variables))
      throw fail(`unknown variable ${name}${best === undefined ? '' : `; did you mean ${best}?`}`)
    }
    const value = variables[name]
    if (value === undefined && mark === '') throw fail(`${name} has no value here; \${${name}?} leaves the line out`)
    if (value === undefined) return []
    if (Array.isArray(value) !== (mark === '*')) throw fail(mark === '*' ? `${name} is not a list` : `${name} is a list: use \${${name}*}`)
    const values = Array.isArray(value) ? (value as readonly string[]) : [String(value)]
    lines = values.flatMap((one) => lines.map((text) => text.replaceAll(whole, () => one)))
  }
  return lines
}
