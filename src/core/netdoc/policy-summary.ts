/**
 * The summary of an exit policy as a port list, as C tor's `policy_summarize` computes it: authorities must come to the
 * same bytes. A port counts as accepted if the policy accepts it for all addresses but private ones and, at most, the
 * size of two IPv4 /8 networks (dir-spec §3.4.1, `p`) or one IPv6 /16 network.
 */

import { assert } from '../base/assert.ts'
import { isPrivateNetwork, type PolicyRule } from './policy-rule.ts'
import { formatPortRange, PortPolicy, type PortRange } from './port-policy.ts'

/** C tor's `MAX_EXITPOLICY_SUMMARY_LEN`. */
const longestSummary = 1000

interface Span {
  low: number
  high: number
  /** Addresses (IPv4) or /64 networks (IPv6) for which these ports are rejected. */
  rejected: number
  accepted: boolean
}

export function summarizePolicy(rules: readonly PolicyRule[], family: 4 | 6): PortPolicy {
  const spans: Span[] = [{ low: 1, high: 65535, rejected: 0, accepted: false }]
  for (const rule of rules) if (rule.family === family) apply(spans, rule)
  const accepts: PortRange[] = []
  const rejects: PortRange[] = []
  let low = 1
  spans.forEach((span, i) => {
    const next = spans[i + 1]
    if (next !== undefined && next.accepted === span.accepted) return
    ;(span.accepted ? accepts : rejects).push({ low, high: span.high })
    if (next !== undefined) low = next.low
  })
  if (accepts.length === 0) return PortPolicy.rejectAll
  if (rejects.length === 0) return PortPolicy.acceptAll
  const acceptText = accepts.map(formatPortRange).join(',')
  const rejectText = rejects.map(formatPortRange).join(',')
  const room = longestSummary - 'accept '.length
  if (rejectText.length > room && acceptText.length > room) {
    // Too long either way: as many accepted ranges as fit.
    const cut = acceptText.slice(0, room + 1).lastIndexOf(',')
    assert(cut > 0, 'a list of port ranges has a comma among its first thousand characters')
    const kept = acceptText.slice(0, cut).split(',').length
    return new PortPolicy(true, accepts.slice(0, kept))
  }
  return rejectText.length < acceptText.length ? new PortPolicy(false, rejects) : new PortPolicy(true, accepts)
}

function apply(spans: Span[], rule: PolicyRule): void {
  const low = Math.max(rule.ports.low, 1)
  const high = rule.ports.high
  if (high < low) return
  // C tor counts IPv6 in /64 networks; what is smaller than one is ignored.
  const countedBits = rule.family === 4 ? 32 : 64
  const cutoff = rule.family === 4 ? 2 ** 25 : 2 ** 48
  if (rule.accepts) {
    if (rule.prefixBits !== 0) return
    for (const span of split(spans, low, high)) if (span.rejected <= cutoff) span.accepted = true
  } else {
    if (isPrivateNetwork(rule)) return
    const touched = split(spans, low, high)
    if (rule.prefixBits > countedBits) return
    const count = 2 ** (countedBits - rule.prefixBits)
    for (const span of touched) span.rejected += count
  }
}

/** The spans from `low` to `high`, after cutting those that straddle an end. */
function split(spans: Span[], low: number, high: number): Span[] {
  cutBefore(spans, low)
  if (high < 65535) cutBefore(spans, high + 1)
  return spans.filter((span) => span.low >= low && span.high <= high)
}

function cutBefore(spans: Span[], port: number): void {
  const at = spans.findIndex((span) => span.low < port && span.high >= port)
  const span = spans[at]
  if (span === undefined) return
  spans.splice(at + 1, 0, { ...span, low: port })
  span.high = port - 1
}
