/** The URLs of directories (dir-spec appendix B) as values. Only their form is looked at here. */

import { DIR_NAMES_PER_REQUEST_MAX } from './dir-limits.ts'

export type DirResource =
  | {
      readonly kind: 'consensus'
      readonly flavour: string
      /** Prefixes of authority fingerprints, upper-case hex. */
      readonly signers: readonly string[]
      /** Only a diff from the consensus with this digest will do; upper-case hex. */
      readonly diffFrom?: string
    }
  | { readonly kind: 'pending-consensus'; readonly flavour: string }
  | { readonly kind: 'pending-signatures' }
  | { readonly kind: 'own-vote'; readonly period: 'next' | 'current' }
  | { readonly kind: 'vote-by-identity'; readonly period: 'next' | 'current'; readonly names: readonly string[] }
  | { readonly kind: 'vote-by-digest'; readonly period: 'next' | 'current'; readonly names: readonly string[] }
  | { readonly kind: 'bandwidth-file'; readonly period: 'next' | 'current' }
  | { readonly kind: 'descriptors'; readonly which: 'all' | 'own' }
  | { readonly kind: 'descriptors-by'; readonly key: 'identity' | 'digest'; readonly names: readonly string[] }
  | { readonly kind: 'extra-info'; readonly which: 'all' | 'own' }
  | { readonly kind: 'extra-info-by'; readonly key: 'identity' | 'digest'; readonly names: readonly string[] }
  /** Names are unpadded base64. */
  | { readonly kind: 'microdescriptors-by'; readonly names: readonly string[] }
  | { readonly kind: 'microdescriptors-all' }
  | { readonly kind: 'certificates'; readonly which: 'all' | 'own' }
  | { readonly kind: 'certificates-by'; readonly key: 'identity' | 'signing-key'; readonly names: readonly string[] }
  | { readonly kind: 'certificates-by-pair'; readonly pairs: readonly { readonly identity: string; readonly signingKey: string }[] }
  | { readonly kind: 'robots' }
  /** Well-formed, and nothing we have. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'malformed' }

/** `target`: path and query of a GET. A final `.z` says nothing about the resource (dir-spec §4). */
export function parseDirUrl(target: string): DirResource {
  const path = (target.split('?')[0] ?? '').replace(/\.z$/, '')
  const parts = path.split('/').slice(1)
  if (parts[0] !== 'tor') return { kind: 'unknown' }
  switch (parts[1]) {
    case 'status-vote':
      return parseStatusVote(parts.slice(2))
    case 'server':
      return parseRelayDocuments('descriptors', parts.slice(2))
    case 'extra':
      return parseRelayDocuments('extra-info', parts.slice(2))
    case 'micro':
      return parseMicrodescriptors(parts.slice(2))
    case 'keys':
      return parseKeys(parts.slice(2))
    case 'robots.txt':
      return { kind: 'robots' }
    default:
      return { kind: 'unknown' }
  }
}

/** dir-spec §3.11, §4.2, §4.3. */
function parseStatusVote(parts: readonly string[]): DirResource {
  const [period, what, rest, ...further] = parts
  if (period !== 'next' && period !== 'current') return { kind: 'unknown' }
  if (what === undefined) return { kind: 'unknown' }
  if (what === 'consensus' || what.startsWith('consensus-')) {
    if (what === 'consensus-signatures') return period === 'next' ? { kind: 'pending-signatures' } : { kind: 'unknown' }
    const flavour = what === 'consensus' ? 'ns' : what.slice('consensus-'.length)
    if (period === 'next') return { kind: 'pending-consensus', flavour }
    if (rest === 'diff') return parseConsensusDiff(flavour, further)
    const signers = rest === undefined ? [] : hexNames(rest, 2, 40)
    return signers === undefined ? { kind: 'malformed' } : { kind: 'consensus', flavour, signers }
  }
  if (what === 'authority') return { kind: 'own-vote', period }
  if (what === 'bandwidth') return { kind: 'bandwidth-file', period }
  if (what === 'd') return named(rest, 40, 40, (names) => ({ kind: 'vote-by-digest', period, names }))
  return named(what, 40, 40, (names) => ({ kind: 'vote-by-identity', period, names }))
}

/** dir-spec §4.5.2: `diff/DIGEST/FINGERPRINTS`, the last optional. */
function parseConsensusDiff(flavour: string, parts: readonly string[]): DirResource {
  const [digest, list] = parts
  const [diffFrom] = hexNames(digest ?? '', 64, 64) ?? []
  const signers = list === undefined || list === '' ? [] : hexNames(list, 2, 40)
  return diffFrom === undefined || signers === undefined ? { kind: 'malformed' } : { kind: 'consensus', flavour, signers, diffFrom }
}

/** dir-spec §4.3 and §5.2: `all`, `authority`, `fp/…`, `d/…`. */
function parseRelayDocuments(kind: 'descriptors' | 'extra-info', parts: readonly string[]): DirResource {
  const [how, list] = parts
  if (how === 'all') return { kind, which: 'all' }
  if (how === 'authority') return { kind, which: 'own' }
  if (how === 'fp') return named(list, 40, 40, (names) => ({ kind: `${kind}-by`, key: 'identity', names }))
  if (how === 'd') return named(list, 40, 40, (names) => ({ kind: `${kind}-by`, key: 'digest', names }))
  return { kind: 'unknown' }
}

/** dir-spec §3.9.2 and appendix B: digests in base64, joined by `-`. Base64 may itself contain `/`. */
function parseMicrodescriptors(parts: readonly string[]): DirResource {
  if (parts[0] === 'all') return { kind: 'microdescriptors-all' }
  if (parts[0] !== 'd' || parts.length < 2) return { kind: 'unknown' }
  const names = parts.slice(1).join('/').split('-')
  const wellFormed = names.length <= DIR_NAMES_PER_REQUEST_MAX && names.every((name) => /^[A-Za-z0-9+/]{43}=?$/.test(name))
  return wellFormed ? { kind: 'microdescriptors-by', names: names.map((name) => name.slice(0, 43)) } : { kind: 'malformed' }
}

/** dir-spec §4.5 and appendix B. */
function parseKeys(parts: readonly string[]): DirResource {
  const [how, list] = parts
  if (how === 'all') return { kind: 'certificates', which: 'all' }
  if (how === 'authority') return { kind: 'certificates', which: 'own' }
  if (how === 'fp') return named(list, 40, 40, (names) => ({ kind: 'certificates-by', key: 'identity', names }))
  if (how === 'sk') return named(list, 40, 40, (names) => ({ kind: 'certificates-by', key: 'signing-key', names }))
  if (how !== 'fp-sk' || list === undefined) return { kind: 'unknown' }
  const pairs = list.split('+').map((pair) => /^([0-9A-Fa-f]{40})-([0-9A-Fa-f]{40})$/.exec(pair))
  if (pairs.length > DIR_NAMES_PER_REQUEST_MAX || pairs.includes(null)) return { kind: 'malformed' }
  return {
    kind: 'certificates-by-pair',
    pairs: pairs.map((match) => ({ identity: (match?.[1] ?? '').toUpperCase(), signingKey: (match?.[2] ?? '').toUpperCase() })),
  }
}

function named(list: string | undefined, least: number, most: number, make: (names: readonly string[]) => DirResource): DirResource {
  if (list === undefined) return { kind: 'unknown' }
  const names = hexNames(list, least, most)
  return names === undefined ? { kind: 'malformed' } : make(names)
}

/** Hexadecimal names joined by `+`, in upper case. */
function hexNames(list: string, least: number, most: number): string[] | undefined {
  const names = list.split('+')
  if (names.length > DIR_NAMES_PER_REQUEST_MAX) return undefined
  const wellFormed = names.every((name) => name.length >= least && name.length <= most && /^[0-9A-Fa-f]+$/.test(name))
  return wellFormed ? names.map((name) => name.toUpperCase()) : undefined
}
