/** Versions of Tor and their order (version-spec §2): for lists of recommended versions and the `v` lines of relays. */

import { compareText } from './order-statistics.ts'

export interface TorVersion {
  readonly major: number
  readonly minor: number
  readonly micro: number
  /** Of versions from before 0.1.0: `pre` and `rc` come before a release. */
  readonly status: 'pre' | 'rc' | 'release'
  readonly patchLevel: number
  /** `alpha`, `alpha-dev`, `rc`; empty for a release. */
  readonly statusTag: string
}

const MAX_NUMBER = 0x7fff_ffff

/** `0.4.9.11`, `Tor 0.4.9.1-alpha-dev (git-…)`; undefined for anything else. */
export function parseTorVersion(text: string): TorVersion | undefined {
  const main = /^(?:tor )?(\d+)\.(\d+)(?:\.(\d+)(?:(\.|pre|rc)(\d+))?)?/i.exec(text)
  if (main === null) return undefined
  const [whole, major, minor, micro, separator, patchLevel] = main
  const rest = text.slice(whole.length)
  // After two or three numbers only a tag may follow; after the patch level anything, which then is the tag.
  if (rest !== '' && !rest.startsWith('-') && patchLevel === undefined) return undefined
  const values = [major, minor, micro, patchLevel].map((digits) => Number(digits ?? 0))
  if (values.some((value) => value > MAX_NUMBER)) return undefined
  return {
    major: values[0] as number,
    minor: values[1] as number,
    micro: values[2] as number,
    status: separator === 'pre' || separator === 'rc' ? separator : 'release',
    patchLevel: values[3] as number,
    statusTag: rest.replace(/^[-.]/, '').replace(/\s.*$/s, ''),
  }
}

const statusOrder = Object.freeze({ pre: 0, rc: 1, release: 2 })

/** Negative, zero or positive. */
export function compareTorVersions(a: TorVersion, b: TorVersion): number {
  return (
    a.major - b.major ||
    a.minor - b.minor ||
    a.micro - b.micro ||
    statusOrder[a.status] - statusOrder[b.status] ||
    a.patchLevel - b.patchLevel ||
    compareText(a.statusTag, b.statusTag)
  )
}

/** Orders version strings; those that are no versions come last, by their text. */
export function compareVersionText(a: string, b: string): number {
  const versionA = parseTorVersion(a)
  const versionB = parseTorVersion(b)
  if (versionA !== undefined && versionB !== undefined) return compareTorVersions(versionA, versionB)
  if (versionA !== undefined) return -1
  if (versionB !== undefined) return 1
  return compareText(a, b)
}

/** The version in a descriptor's platform line, `Tor 0.4.9.11` of `Tor 0.4.9.11 on Linux`; undefined when it names none. */
export const versionOfPlatform = (platform: string): string | undefined => /^Tor \S*(?: \(r\S*)?/.exec(platform)?.[0]
