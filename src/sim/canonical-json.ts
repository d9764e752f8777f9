/** JSON with one spelling per value: keys in order, no white space, bytes in hexadecimal, big integers as strings. */

import { hexEncode } from '../core/base/encoding.ts'
import { RelishError } from '../core/base/errors.ts'

export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'number':
      if (!Number.isFinite(value)) throw new RelishError('bug', 'a trace holds finite numbers')
      return String(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'bigint':
      return `"${value}"`
    case 'object':
      if (value === null) return 'null'
      if (value instanceof Uint8Array) return `"${hexEncode(value)}"`
      if (Array.isArray(value)) return `[${value.map((item) => (item === undefined ? 'null' : canonicalJson(item))).join(',')}]`
      return `{${canonicalFields(value as Readonly<Record<string, unknown>>)}}`
    default:
      throw new RelishError('bug', `a trace holds plain JSON, not a ${typeof value}`)
  }
}

/** The inside of an object: fields in the order of their names, those that are undefined left out. */
function canonicalFields(value: Readonly<Record<string, unknown>>): string {
  let fields = ''
  const keys = Object.keys(value)
  // Most objects are small, and insertion beats the general sort there.
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i] as string
    let at = i
    while (at > 0 && (keys[at - 1] as string) > key) {
      keys[at] = keys[at - 1] as string
      at--
    }
    keys[at] = key
  }
  for (const key of keys) {
    const field = value[key]
    if (field !== undefined) fields += `${fields === '' ? '' : ','}${JSON.stringify(key)}:${canonicalJson(field)}`
  }
  return fields
}
