/**
 * Follows what the authorities of a network publish, period by period, and compares: with the same votes, every byte
 * before the signatures is the same in both flavours. A divergence is told with the first line that differs and what
 * each vote said of it.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { parseConsensus, type ConsensusUnverified } from '../../src/core/netdoc/consensus.ts'
import { fetchFrom, type Member, type VotingNetwork } from './voting-network.ts'

const flavours = ['', '-microdesc'] as const

export interface AgreedPeriod {
  /** Seconds since the epoch. */
  readonly validAfterSec: number
  readonly ns: ConsensusUnverified
  readonly microdesc: ConsensusUnverified
}

export class ConsensusWatch {
  readonly #network: VotingNetwork
  /** Periods on end in which all authorities published the same, signed by all. */
  readonly agreed: AgreedPeriod[] = []
  /** Periods that were left out of `agreed`, and why. */
  readonly gaps: string[] = []

  constructor(network: VotingNetwork) {
    this.#network = network
  }

  /** Waits until `count` periods on end were agreed on, calling `onPeriod` with each. Throws at a divergence, or after `patienceMs`. */
  async follow(count: number, patienceMs: number, onPeriod: (period: AgreedPeriod, index: number) => void | Promise<void>): Promise<void> {
    const endMs = Date.now() + patienceMs
    let index = 0
    while (this.agreed.length < count) {
      if (Date.now() > endMs) throw new Error(`waited in vain for ${count} periods on end; there were ${this.agreed.length}; ${this.gaps.join('; ')}`)
      // A document stays for a period, so that looking often misses none.
      await delay(700)
      const period = await this.#look()
      if (period === undefined) continue
      this.agreed.push(period)
      await onPeriod(period, index++)
    }
  }

  async #look(): Promise<AgreedPeriod | undefined> {
    const last = this.agreed.at(-1)
    const { authorities } = this.#network
    const found = await Promise.all(authorities.map((authority) => Promise.all(flavours.map((flavour) => fetchFrom(authority, `/tor/status-vote/current/consensus${flavour}`)))))
    const texts = found.flat()
    if (texts.includes(undefined)) return undefined
    const documents = found.map((pair) => pair.map((text) => parseConsensus(text ?? '')))
    const [ns, microdesc] = documents[0] ?? []
    if (ns === undefined || microdesc === undefined) return undefined
    const validAfterSec = ns.validAfter / 1000
    // Not all have published yet, or it is the one that we have seen.
    if (documents.flat().some((document) => document.validAfter !== ns.validAfter) || last?.validAfterSec === validAfterSec) return undefined
    for (const at of [0, 1] as const) {
      for (const [i, authority] of authorities.entries()) {
        const one = documents[0]?.[at]
        const other = documents[i]?.[at]
        if (one === undefined || other === undefined || votersOf(one) !== votersOf(other)) continue
        const difference = firstDifference(unsignedPart(one), unsignedPart(other))
        if (difference !== undefined) throw new Error(await this.#explain(difference, authorities[0], authority))
      }
    }
    const complete = documents.flat().every((document) => document.signatures.length === authorities.length && countVoters(document) === authorities.length)
    const onEnd = last === undefined || validAfterSec === last.validAfterSec + (ns.freshUntil - ns.validAfter) / 1000
    if (!complete || !onEnd) {
      this.gaps.push(`${new Date(ns.validAfter).toISOString()}: ${complete ? 'follows a period that was not seen' : 'a vote or a signature came too late'}`)
      this.agreed.length = 0
      if (!complete) return undefined
    }
    return { validAfterSec, ns, microdesc }
  }

  /** The first line that differs, with what each vote says of the relay that it is about. */
  async #explain(difference: Difference, one: Member | undefined, other: Member): Promise<string> {
    const { authorities } = this.#network
    const votes = await Promise.all(
      authorities.map(async (authority) => `vote of ${authority.name} (${authority.implementation}):\n${excerpt((await fetchFrom(other, `/tor/status-vote/current/${authority.v3Identity}`)) ?? '', difference)}`),
    )
    return [
      `the consensuses of ${one?.name} and ${other.name} differ at line ${difference.line}${difference.relay === undefined ? '' : ` (relay ${difference.relay.split(' ')[1]})`}:`,
      `  ${one?.name}: ${difference.one}`, `  ${other.name}: ${difference.other}`, ...votes,
    ].join('\n')
  }
}

export interface Difference {
  readonly line: number
  readonly one: string
  readonly other: string
  /** The `r` line above, if any. */
  readonly relay: string | undefined
}

const unsignedPart = (document: ConsensusUnverified): string => document.text.slice(0, document.text.indexOf('\ndirectory-signature') + 1)

/** The votes that a consensus was made of. */
const votersOf = (document: ConsensusUnverified): string => (document.text.match(/^vote-digest .*$/gm) ?? []).join(',')
const countVoters = (document: ConsensusUnverified): number => (document.text.match(/^vote-digest .*$/gm) ?? []).length

export function firstDifference(one: string, other: string): Difference | undefined {
  if (one === other) return undefined
  const [ones, others] = [one.split('\n'), other.split('\n')]
  const line = ones.findIndex((text, i) => text !== others[i])
  const at = line < 0 ? ones.length : line
  const relay = ones.slice(0, at + 1).findLast((text) => text.startsWith('r '))
  return { line: at + 1, one: ones[at] ?? '(the end)', other: others[at] ?? '(the end)', relay: /^directory-footer/m.test(ones.slice(0, at).join('\n')) ? undefined : relay }
}

/** The entry of the relay in a vote; without one the lines that begin with the keyword, or all of the header. */
export function excerpt(vote: string, difference: Difference): string {
  if (difference.relay !== undefined) {
    const identity = difference.relay.split(' ')[2] ?? ''
    return vote.split(/^(?=r )/m).find((entry) => entry.startsWith('r ') && entry.split(' ')[2] === identity) ?? '(does not list it)'
  }
  return vote.slice(0, vote.search(/^r /m)).replace(/-----BEGIN[^]*?-----END.*\n/g, '')
}
