/** JSON with one spelling per value: keys in order, no white space, bytes in hexadecimal, big integers as strings. */

import { hexEncode } from '../core/base/encoding.ts'
import { RelishError } from '../core/base/errors.ts'

export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value)
    case 'number':
      if (!Number.isFinite(value)) throw new RelishError('bug', 'a trace holds finite numbers')
      return JSON.stringify(value)
    case 'bigint':
      return `"${value}"`
    case 'object': {
      if (value === null) return 'null'
      if (value instanceof Uint8Array) return `"${hexEncode(value)}"`
      if (Array.isArray(value)) return `[${value.map((item) => (item === undefined ? 'null' : canonicalJson(item))).join(',')}]`
      const fields: string[] = []
      for (const [key, field] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) {
        if (field !== undefined) fields.push(`${JSON.stringify(key)}:${canonicalJson(field)}`)
      }
      return `{${fields.join(',')}}`
    }
    default:
      throw new RelishError('bug', `a trace holds plain JSON, not a ${typeof value}`)
  }
}
