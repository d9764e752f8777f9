/**
 * The exit policy that a torrc's options give (C tor's `policies_parse_exit_policy`): rules put in front, the user's own,
 * the default behind them, and what is redundant taken out.
 */

import { parseIp } from '../ident/address.ts'
import { ExitPolicy } from './exit-policy.ts'
import { samePrefix, type PolicyRule } from './policy-rule.ts'

export interface ExitPolicyOptions {
  /** Values of `ExitPolicy` lines, in order. */
  readonly lines: readonly string[]
  /** `IPv6Exit`: without it IPv6 is rejected first. */
  readonly ipv6Exit: boolean
  /** `ExitPolicyRejectPrivate`: private networks and `ownAddresses` are rejected first. */
  readonly rejectPrivate: boolean
  /** The relay's own addresses, advertised or bound, in text form. */
  readonly ownAddresses: readonly string[]
  /** What comes last: C tor's default policy, its reduced one (`ReducedExitPolicy`), or reject (bridges). */
  readonly last: 'default' | 'reduced' | 'reject'
}

/** Throws `config` for a malformed line. */
export function configuredExitPolicy(options: ExitPolicyOptions): ExitPolicy {
  const rules: PolicyRule[] = []
  if (!options.ipv6Exit) rules.push(...ExitPolicy.parse('reject *6:*').rules)
  if (options.rejectPrivate) {
    rules.push(...ExitPolicy.parse('reject private:*').rules)
    rules.push(...rejectAddresses(options.ownAddresses))
  }
  for (const line of options.lines) rules.push(...ExitPolicy.parse(line).rules)
  const last = options.last === 'default' ? defaultPolicy : options.last === 'reduced' ? reducedPolicy : 'reject *4:*,reject *6:*'
  rules.push(...ExitPolicy.parse(last).rules)
  return new ExitPolicy(withoutRedundancies(rules))
}

function rejectAddresses(addresses: readonly string[]): PolicyRule[] {
  return addresses.flatMap((text): PolicyRule[] => {
    const address = parseIp(text)
    if (address === undefined) return []
    return [{ accepts: false, family: address.length === 4 ? 4 : 6, address, prefixBits: address.length * 8, ports: { low: 1, high: 65535 } }]
  })
}

/** The same policy in fewer rules, as C tor's `exit_policy_remove_redundancies` finds them, in its three steps. */
function withoutRedundancies(rules: readonly PolicyRule[]): PolicyRule[] {
  // What comes after a catch-all of its family is never reached.
  const closed = { 4: false, 6: false }
  let kept = rules.filter((rule) => {
    if (closed[rule.family]) return false
    if (rule.prefixBits === 0 && rule.ports.low <= 1 && rule.ports.high === 65535) closed[rule.family] = true
    return true
  })
  // What an earlier rule covers is never reached, whatever it says.
  kept = kept.filter((rule, i) => !kept.slice(0, i).some((earlier) => covers(earlier, rule)))
  // What a later rule of the same kind covers is not needed, unless a rule of the other kind in between touches it.
  for (let i = 0; i < kept.length - 1; i++) {
    const rule = kept[i]
    if (rule === undefined) break
    for (let j = i + 1; j < kept.length; j++) {
      const laterRule = kept[j]
      if (laterRule === undefined) break
      if (laterRule.accepts !== rule.accepts) {
        if (intersects(rule, laterRule)) break
      } else if (covers(laterRule, rule)) {
        kept.splice(i, 1)
        i--
        break
      }
    }
  }
  return kept
}

function covers(a: PolicyRule, b: PolicyRule): boolean {
  return a.family === b.family && a.prefixBits <= b.prefixBits && samePrefix(a.address, b.address, a.prefixBits) && a.ports.low <= b.ports.low && a.ports.high >= b.ports.high
}

function intersects(a: PolicyRule, b: PolicyRule): boolean {
  if (a.family !== b.family || a.ports.high < b.ports.low || b.ports.high < a.ports.low) return false
  return samePrefix(a.address, b.address, Math.min(a.prefixBits, b.prefixBits))
}

/** C tor's `DEFAULT_EXIT_POLICY`. */
export const defaultPolicy =
  'reject *:25,reject *:119,reject *:135-139,reject *:445,reject *:563,reject *:1214,reject *:4661-4666,' +
  'reject *:6346-6429,reject *:6699,reject *:6881-6999,accept *:*'

/** Ports of C tor's `REDUCED_EXIT_POLICY`. */
const reducedPorts =
  '20-23 43 53 79-81 88 110 143 194 220 389 443 464 465 531 543-544 554 563 587 636 706 749 873 902-904 981 989-995 1194 1220 1293 ' +
  '1500 1533 1677 1723 1755 1863 2082-2083 2086-2087 2095-2096 2102-2104 3128 3389 3690 4321 4643 5050 5190 5222-5223 5228 5900 ' +
  '6660-6669 6679 6697 8000 8008 8074 8080 8082 8087-8088 8232-8233 8332-8333 8443 8888 9418 9999 10000 11371 18080-18081 18089 ' +
  '19294 19638 50002 64738'

export const reducedPolicy = `${reducedPorts
  .split(' ')
  .map((ports) => `accept *:${ports}`)
  .join(',')},reject *:*`
