/** Choosing where a path ends, by what streams need (path-spec §2.2.1). */

import type { Rng } from '../base/rng.ts'
import type { NetDir } from '../netdir/net-dir.ts'
import type { Relay } from '../netdir/relay.ts'
import { chooseByWeight, isUsable, type RelayNeeds } from '../relaysel/select-relay.ts'
import { mayBeExit, type PathRules } from './path-rules.ts'

/** What one stream needs of the last hop. */
export interface ExitNeed {
  /** `resolve` takes any relay that lets something out. */
  readonly kind: 'connect' | 'resolve'
  /** IPv4 or IPv6 text; undefined when only a host name is known. */
  readonly address: string | undefined
  readonly port: number
  /** The only relay that will do (`.exit` notation, MapAddress). Upper-case hex. */
  readonly exitFingerprint: string | undefined
  /** Relays that have refused this stream. */
  readonly refusedBy: ReadonlySet<string>
}

/** `untrusted`: relays whose policies have proven to be other than they say (path-spec §2.5): as if they let nothing out. */
export function exitSupports(relay: Relay, need: ExitNeed, untrusted: ReadonlySet<string>): boolean {
  if (need.exitFingerprint !== undefined && need.exitFingerprint !== relay.fingerprint) return false
  const policy = relay.descriptor?.exitPolicy
  if (policy === undefined || policy.rejectsAll || untrusted.has(relay.fingerprint) || need.refusedBy.has(relay.fingerprint)) return false
  if (need.kind === 'resolve') return true
  const verdict = policy.compare(need.address, need.port)
  return verdict === 'accepted' || verdict === 'probably-accepted'
}

export interface ExitRequest {
  readonly needs: RelayNeeds
  /** Streams that wait for a circuit. The exit that serves most of them wins. */
  readonly pending: readonly ExitNeed[]
  /** Ports likely to be asked for soon and not covered yet. */
  readonly predictedPorts: readonly number[]
  readonly untrusted: ReadonlySet<string>
  /** Relays that would not do for other reasons. */
  readonly avoid: (relay: Relay) => boolean
}

/** Undefined when no relay lets out what is asked for. */
export function chooseExit(netDir: NetDir, request: ExitRequest, rules: PathRules, rng: Rng): Relay | undefined {
  const candidates = netDir.relays.filter((relay) => isUsable(relay, request.needs) && mayBeExit(relay, rules) && !request.avoid(relay) && letsOut(relay, request.untrusted))
  const fallBack = (): Relay | undefined => {
    if (!request.needs.stable && !request.needs.fast) return undefined
    return chooseExit(netDir, { ...request, needs: { stable: false, fast: false } }, rules, rng)
  }
  if (candidates.length === 0) return fallBack()
  if (request.pending.length > 0) {
    // path-spec §2.1.2: the exit that will handle the most pending requests.
    const support = candidates.map((relay) => request.pending.filter((need) => exitSupports(relay, need, request.untrusted)).length)
    const best = support.reduce((most, count) => Math.max(most, count), 0)
    if (best === 0) return fallBack()
    return chooseByWeight(netDir, candidates.filter((_, i) => support[i] === best), 'exit', rng)
  }
  const predicted = candidates.filter((relay) => request.predictedPorts.some((port) => exitSupports(relay, portNeed(port), request.untrusted)))
  return chooseByWeight(netDir, predicted.length > 0 ? predicted : candidates, 'exit', rng)
}

/** A stream to some address at `port`. */
export const portNeed = (port: number): ExitNeed => ({ kind: 'connect', address: undefined, port, exitFingerprint: undefined, refusedBy: new Set() })

const letsOut = (relay: Relay, untrusted: ReadonlySet<string>): boolean => relay.descriptor?.exitPolicy.rejectsAll === false && !untrusted.has(relay.fingerprint)
