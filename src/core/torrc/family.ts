/** The values of `MyFamily` and `FamilyId`: which relays belong to one operator. tor(1), prop321. */

import { base64Decode } from '../base/encoding.ts'
import { parseRelayName, type RelayName } from '../ident/fingerprint.ts'
import { configError, type ConfigLine } from './config-line.ts'

/** All members of all lines. Throws `config`. */
export function parseFamilyLines(lines: readonly ConfigLine[]): RelayName[] {
  return lines.flatMap((line) =>
    line.value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
      .map((item) => {
        const name = parseRelayName(item)
        if (name === undefined) throw configError(`${line.keyword}: "${item}" names no relay`, line.position, 'members are fingerprints of forty hexadecimal digits')
        return name
      }),
  )
}

/** Ed25519 family identities in base64, or `*` for all keys at hand. Throws `config`. */
export function parseFamilyIds(lines: readonly ConfigLine[]): '*' | readonly string[] {
  if (lines.some((line) => line.value === '*')) return '*'
  return lines.map((line) => {
    if (!/^[A-Za-z0-9+/]{43}=?$/.test(line.value) || base64Decode(line.value).length !== 32) {
      throw configError(`${line.keyword}: expected 43 characters of base64 or *, not "${line.value}"`, line.position)
    }
    return line.value.replace(/=$/, '')
  })
}
