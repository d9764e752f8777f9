/** The voting periods captured from networks of C tor authorities; see test/vectors/ctor-consensus/README.md. */

import { readdirSync, readFileSync } from 'node:fs'
import { parseVote, verifyVote, type Vote } from '../../../src/core/netdoc/vote.ts'

const folder = new URL('../../vectors/ctor-consensus/', import.meta.url)

export const capturedText = (path: string): string => readFileSync(new URL(path, folder), 'latin1')

export interface CapturedPeriod {
  readonly name: string
  readonly authorities: number
  readonly votes: readonly Vote[]
  readonly consensus: Readonly<Record<'ns' | 'microdesc', string>>
}

export function capturedPeriod(name: string): CapturedPeriod {
  const votes = readdirSync(new URL(name, folder)).filter((file) => file.startsWith('vote-'))
  return {
    name,
    authorities: name.startsWith('plain') ? 3 : 4,
    votes: votes.map((file) => verifyVote(parseVote(capturedText(`${name}/${file}`)), 'any-time')),
    consensus: { ns: capturedText(`${name}/consensus`), microdesc: capturedText(`${name}/consensus-microdesc`) },
  }
}

export const capturedPeriods: readonly string[] = Object.freeze(
  ['plain', 'differing'].flatMap((network) => readdirSync(new URL(network, folder)).map((period) => `${network}/${period}`)),
)

/** Up to the first signature. */
export const unsigned = (consensus: string): string => consensus.slice(0, consensus.indexOf('directory-signature '))
