/**
 * Exit policies in full: lists of rules over addresses and ports (dir-spec §2.1.3), as descriptors and torrcs write them.
 * The summary of one, as `p` lines have it, is in policy-summary.ts; which rules a configuration adds is in
 * configured-exit-policy.ts.
 */

import { RelishError } from '../base/errors.ts'
import { formatIp, parseIp, parseIpv4 } from '../ident/address.ts'
import { maxPolicyRules } from './limits.ts'
import { decimal } from './fields.ts'
import { privateRules, samePrefix, type PolicyRule } from './policy-rule.ts'
import { summarizePolicy } from './policy-summary.ts'
import { formatPortRange, type PortPolicy, type PortRange } from './port-policy.ts'

export type { PolicyRule } from './policy-rule.ts'

/** How sure an answer about an unknown address is. */
export type PolicyVerdict = 'accepted' | 'probably-accepted' | 'probably-rejected' | 'rejected'

/** Immutable. The first rule that matches decides; without one, the answer is accept (dir-spec §2.1.3). */
export class ExitPolicy {
  readonly rules: readonly PolicyRule[]

  constructor(rules: readonly PolicyRule[]) {
    if (rules.length > maxPolicyRules) throw new RelishError('limit', `an exit policy has at most ${maxPolicyRules} rules`)
    this.rules = rules
  }

  static readonly rejectAll: ExitPolicy = new ExitPolicy([wildcard(false, 4), wildcard(false, 6)])
  static readonly acceptAll: ExitPolicy = new ExitPolicy([wildcard(true, 4), wildcard(true, 6)])

  /**
   * Policy lines as torrcs have them: `accept *:80`, `reject private:*`, `accept6 *:443`, several separated by commas.
   * Throws `config` with the entry that is wrong.
   */
  static parse(text: string): ExitPolicy {
    const rules: PolicyRule[] = []
    for (const entry of text.split(',')) {
      const trimmed = entry.trim()
      if (trimmed !== '') rules.push(...parsePolicyEntry(trimmed))
    }
    return new ExitPolicy(rules)
  }

  /** Whether connections to this address (text form, either family) and port are allowed. Text that is no address is not. */
  allows(address: string, port: number): boolean {
    const bytes = parseIp(address)
    if (bytes === undefined) return false
    for (const rule of this.rules) if (matches(rule, bytes, port)) return rule.accepts
    return true
  }

  /** For a port at an address not known yet (C tor's `compare_unknown_tor_addr_to_addr_policy`), of one family or either. */
  verdictForPort(port: number, family?: 4 | 6): PolicyVerdict {
    let mayAccept = false
    let mayReject = false
    for (const rule of this.rules) {
      if ((family !== undefined && rule.family !== family) || port < rule.ports.low || port > rule.ports.high) continue
      if (rule.prefixBits === 0) {
        if (rule.accepts) return mayReject ? 'probably-accepted' : 'accepted'
        return mayAccept ? 'probably-rejected' : 'rejected'
      }
      if (rule.accepts) mayAccept = true
      else mayReject = true
    }
    return mayReject ? 'probably-accepted' : 'accepted'
  }

  /** Whether some address of that family is, or may be, allowed at this port. */
  mightAllowPort(family: 4 | 6, port: number): boolean {
    const verdict = this.verdictForPort(port, family)
    return verdict === 'accepted' || verdict === 'probably-accepted'
  }

  /** Whether no connection of that family is allowed: its first catch-all rejects and nothing before it accepts. */
  rejectsAll(family: 4 | 6): boolean {
    for (const rule of this.rules) {
      if (rule.family !== family) continue
      if (rule.accepts) return false
      if (rule.prefixBits === 0 && rule.ports.low <= 1 && rule.ports.high === 65535) return true
    }
    return false
  }

  /** The `p` line's policy, as C tor computes it. */
  summary(family: 4 | 6): PortPolicy {
    return summarizePolicy(this.rules, family)
  }

  /** `accept 1.2.3.4:80` lines as descriptors have them: `*` is IPv4, IPv6 rules are `accept6` and `reject6`. */
  toLines(): string[] {
    return this.rules.map((rule) => {
      const { keyword, pattern } = formatDescriptorRule(rule)
      return `${keyword} ${pattern}`
    })
  }
}

/** Keyword and argument of a rule in a descriptor (dir-spec §2.1.3). */
export function formatDescriptorRule(rule: PolicyRule): { keyword: string; pattern: string } {
  const bits = rule.family === 4 ? 32 : 128
  let pattern = '*'
  if (rule.prefixBits > 0) {
    const host = formatIp(rule.address)
    pattern = rule.family === 6 ? `[${host}]` : host
    if (rule.prefixBits < bits) pattern += `/${rule.prefixBits}`
  }
  pattern += rule.ports.low <= 1 && rule.ports.high === 65535 ? ':*' : `:${formatPortRange(rule.ports)}`
  return { keyword: `${rule.accepts ? 'accept' : 'reject'}${rule.family === 6 ? '6' : ''}`, pattern }
}

/** The rule of an `accept`, `reject`, `accept6` or `reject6` line of a descriptor. Undefined when malformed. */
export function parseDescriptorRule(keyword: string, pattern: string): PolicyRule[] | undefined {
  const accepts = keyword.startsWith('accept')
  const family = keyword.endsWith('6') ? 6 : 4
  const colon = splitPorts(pattern)
  if (colon === undefined) return undefined
  if (colon.host === 'private') return privateRules(accepts, colon.ports)
  // In a descriptor `*` is every IPv4 address.
  // SPEC-DIFF: for accept6 and reject6, which C tor itself never writes with `*`, it would take an IPv4 wildcard and refuse the descriptor.
  if (colon.host === '*') return [{ accepts, family, address: new Uint8Array(family === 4 ? 4 : 16), prefixBits: 0, ports: colon.ports }]
  const rule = parseNetwork(accepts, colon.host, colon.ports)
  return rule === undefined || rule.family !== family ? undefined : [rule]
}

function parsePolicyEntry(entry: string): PolicyRule[] {
  const match = /^(accept6?|reject6?)\s+(\S.*)$/i.exec(entry)
  const bad = (why: string): RelishError => new RelishError('config', `malformed exit policy entry "${entry.slice(0, 80)}": ${why}`)
  if (match === null) throw bad('it starts with accept, reject, accept6 or reject6')
  const keyword = (match[1] as string).toLowerCase()
  const accepts = keyword.startsWith('accept')
  const sixOnly = keyword.endsWith('6')
  const split = splitPorts((match[2] as string).toLowerCase().replace(/\s+/g, ''))
  if (split === undefined) throw bad('ports are *, a number, or a range')
  if (split.host === 'private') return privateRules(accepts, split.ports)
  if (split.host === '*6' || (split.host === '*' && sixOnly)) return [{ ...wildcard(accepts, 6), ports: split.ports }]
  if (split.host === '*4' && !sixOnly) return [{ ...wildcard(accepts, 4), ports: split.ports }]
  if (split.host === '*') {
    return [
      { ...wildcard(accepts, 4), ports: split.ports },
      { ...wildcard(accepts, 6), ports: split.ports },
    ]
  }
  const rule = parseNetwork(accepts, split.host, split.ports)
  if (rule === undefined) throw bad('the address is *, *4, *6, private, or an address with an optional mask')
  if (sixOnly && rule.family !== 6) throw bad(`${keyword} wants an IPv6 address`)
  return [rule]
}

function wildcard(accepts: boolean, family: 4 | 6): PolicyRule {
  return { accepts, family, address: new Uint8Array(family === 4 ? 4 : 16), prefixBits: 0, ports: { low: 1, high: 65535 } }
}

/** `host:ports`; ports may be left out, which means all of them. */
function splitPorts(pattern: string): { host: string; ports: PortRange } | undefined {
  const bracket = pattern.indexOf(']')
  const colon = pattern.indexOf(':', bracket < 0 ? 0 : bracket)
  const host = colon < 0 ? pattern : pattern.slice(0, colon)
  const ports = colon < 0 ? '*' : pattern.slice(colon + 1)
  if (ports === '*' || ports === '') return { host, ports: { low: 1, high: 65535 } }
  const dash = ports.indexOf('-')
  const low = decimal(dash < 0 ? ports : ports.slice(0, dash))
  const high = dash < 0 ? low : decimal(ports.slice(dash + 1))
  if (low === undefined || high === undefined || low < 0 || high > 65535 || low > high) return undefined
  return { host, ports: { low, high } }
}

/** `1.2.3.4`, `1.2.3.0/24`, `1.2.3.0/255.255.255.0`, `[2001:db8::]/32`. */
function parseNetwork(accepts: boolean, host: string, ports: PortRange): PolicyRule | undefined {
  const slash = host.indexOf('/')
  const bytes = parseIp(slash < 0 ? host : host.slice(0, slash))
  if (bytes === undefined) return undefined
  const family = bytes.length === 4 ? 4 : 6
  const most = bytes.length * 8
  let prefixBits = most
  if (slash >= 0) {
    const bits = parseMask(host.slice(slash + 1), most)
    if (bits === undefined) return undefined
    prefixBits = bits
  }
  return { accepts, family, address: bytes, prefixBits, ports }
}

function parseMask(text: string, most: number): number | undefined {
  const bits = decimal(text)
  if (bits !== undefined) return bits >= 0 && bits <= most ? bits : undefined
  const mask = most === 32 ? parseIpv4(text) : undefined
  if (mask === undefined) return undefined
  const value = (((mask[0] ?? 0) << 24) | ((mask[1] ?? 0) << 16) | ((mask[2] ?? 0) << 8) | (mask[3] ?? 0)) >>> 0
  const ones = Math.clz32(~value >>> 0)
  const expected = ones === 0 ? 0 : (0xffffffff << (32 - ones)) >>> 0
  return value === expected ? ones : undefined
}

function matches(rule: PolicyRule, address: Uint8Array, port: number): boolean {
  return address.length === rule.address.length && port >= rule.ports.low && port <= rule.ports.high && samePrefix(rule.address, address, rule.prefixBits)
}
