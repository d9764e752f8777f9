/** The torrc of each node: its role's template with the network's variables, then the raw lines of the network file. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatAddressPort } from '../core/ident/address.ts'
import { must } from '../core/base/assert.ts'
import { isRelay, type ResolvedNetwork } from './network-types.ts'
import { packageRoot } from './package-root.ts'
import type { AuthorityIdentity, NetworkPlacement, NodePlacement } from './placement.ts'
import { renderTemplate, type TemplateVariables } from './torrc-template.ts'

export interface TorrcInputs {
  readonly placement: NetworkPlacement
  readonly authorities: ReadonlyMap<string, AuthorityIdentity>
  /** RSA fingerprints by node name, of every node that has a family. */
  readonly fingerprints: ReadonlyMap<string, string>
  readonly logLevel: 'err' | 'warn' | 'notice' | 'info' | 'debug'
  /** Path of the network's resolv.conf; exits use the system's names without it. */
  readonly resolvConfFile: string | undefined
  /** The file that a node records into; undefined where nobody records. */
  readonly traceFile?: (node: string) => string
  /** When the network starts and when its first vote should come (seconds since the epoch), where authorities vote by the clock. */
  readonly clock?: { readonly startSec: number; readonly firstVoteSec: number }
}

/** The lines by which all nodes know the authorities (`DirAuthority`'s value, without the option's name). */
export function directoryAuthorityValues(placement: NetworkPlacement, authorities: ReadonlyMap<string, AuthorityIdentity>): string[] {
  return placement.nodes
    .filter((placed) => placed.node.role === 'authority')
    .map((placed) => {
      const identity = must(authorities.get(placed.node.name), 'every authority has its keys before torrcs are written')
      const orPort = must(placed.orPort, 'an authority has an OR port')
      const dirPort = must(placed.dirPort, 'an authority has a directory port')
      const ipv6 = placed.host6 === undefined ? '' : ` ipv6=[${placed.host6}]:${placed.orPort6}`
      return `${identity.nickname} orport=${orPort} no-v2 v3ident=${identity.v3Identity}${ipv6} ${placed.host}:${dirPort} ${identity.fingerprint}`
    })
}

export function renderNodeTorrc(inputs: TorrcInputs, placed: NodePlacement, readTemplate: (name: string) => string | undefined = readPackageTemplate): string {
  const text = renderTemplate(`${placed.node.role}.torrc`, variablesOf(inputs, placed), readTemplate)
  if (placed.node.torrc.length === 0) return text
  // The first rule of a policy that matches decides, so that those of the file come before the usual ones.
  const policy = placed.node.torrc.filter((line) => /^ExitPolicy\s/i.test(line))
  const others = placed.node.torrc.filter((line) => !policy.includes(line))
  return [
    ...(policy.length === 0 ? [] : [`# From the network file, before the rules that exits have anyway.\n${policy.join('\n')}\n`]),
    text,
    ...(others.length === 0 ? [] : [`# From the network file.\n${others.join('\n')}\n`]),
  ].join('\n')
}

function readPackageTemplate(name: string): string | undefined {
  const path = join(packageRoot(), 'templates', name)
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

function variablesOf(inputs: TorrcInputs, placed: NodePlacement): TemplateVariables {
  const { placement } = inputs
  const { network } = placement
  const at = (port: number | undefined, host: string = placed.host): string | undefined => (port === undefined ? undefined : formatAddressPort({ host, port }))
  const foreignAuthorities = network.nodes.some((node) => node.role === 'authority' && node.implementation !== 'relish')
  const firstPhase = Math.min(...network.nodes.map((node) => node.phase))
  const usesIpv6 = network.nodes.some((node) => node.ipv6)
  const params = Object.entries({ ...usualParams(network), ...network.params }).sort(([a], [b]) => (a < b ? -1 : 1))
  const family = network.nodes.filter((node) => isRelay(node) && node.family !== undefined && node.family === placed.node.family)
  return {
    nickname: placed.node.name,
    dataDirectory: placed.dataDirectory,
    directoryAuthorities: directoryAuthorityValues(placement, inputs.authorities),
    logLevel: inputs.logLevel,
    logFile: join(placed.dataDirectory, 'node.log'),
    host: placed.host,
    outboundBindAddress: placement.distinctAddresses ? placed.host : undefined,
    // All of ::1 is one subnet, so that paths over it cannot avoid sharing it.
    enforceDistinctSubnets: network.options.distinctSubnets && placement.distinctAddresses && !usesIpv6 ? 1 : 0,
    traceFile: placed.node.implementation === 'relish' ? inputs.traceFile?.(placed.node.name) : undefined,
    controlAddress: at(placed.controlPort),
    cookieAuthentication: placed.controlPort === undefined ? undefined : 1,
    orAddress: at(placed.orPort),
    orAddress6: placed.host6 === undefined ? undefined : at(placed.orPort6, placed.host6),
    dirAddress: at(placed.dirPort),
    socksAddress: at(placed.socksPort),
    clientUseIpv6: placed.node.ipv6 ? 1 : 0,
    myFamily: placed.node.family === undefined || !isRelay(placed.node) ? undefined : family.map((node) => `$${must(inputs.fingerprints.get(node.name), 'every member of a family has its key before torrcs are written')}`).join(','),
    resolvConfFile: inputs.resolvConfFile,
    // C tor warns of certificates with other keys than RSA.
    linkKeyType: placed.node.implementation !== 'relish' || network.nodes.some((node) => node.implementation !== 'relish') ? undefined : 'p256',
    consensusParams: params.length === 0 ? undefined : params.map(([name, value]) => `${name}=${value}`).join(' '),
    ...(foreignAuthorities ? clockedSchedule(inputs.clock) : ownSchedule),
    voteWhenRelays: foreignAuthorities || placed.node.implementation !== 'relish' ? undefined : network.nodes.filter((node) => isRelay(node) && node.phase === firstPhase).length,
  }
}

/**
 * Exits of relish have no conflux. C tor's nodes want one that has, beside themselves, and warn every second while there is
 * none to choose: where exits are mixed or few, nobody uses it unless the network file says otherwise.
 */
function usualParams(network: ResolvedNetwork): ResolvedNetwork['params'] {
  const exits = network.nodes.filter((node) => node.role === 'exit')
  const hasForeign = network.nodes.some((node) => node.implementation !== 'relish')
  const enough = exits.length >= 3 && exits.every((node) => node.implementation !== 'relish')
  return hasForeign && !enough ? { cfx_enabled: 0 } : {}
}

/** With relish authorities alone the first vote does not wait for the clock, and later ones need not be often. */
const ownSchedule: TemplateVariables = Object.freeze({
  votingIntervalSec: 300, voteDelaySec: 20, distDelaySec: 20,
  initialVotingIntervalSec: 30, initialVoteDelaySec: 5, initialDistDelaySec: 5,
  intervalsValid: 4,
  votingOffsetSec: undefined,
  firstConsensusSec: undefined,
})

/**
 * With C tor among them, votes come by the clock, and as often as C tor can and slow machines manage: at least
 * 2 s for votes and 2 s for signatures, together at most half of an interval (`dirauth_config.c`). The offset moves the
 * first vote to where it is wanted: a consensus that misses relays stays with C tor for most of its lifetime. The
 * interval is long enough for the period before that one to be over when the authorities start.
 */
function clockedSchedule(clock: TorrcInputs['clock']): TemplateVariables {
  const interval = clock !== undefined && clock.firstVoteSec - clock.startSec > 12 ? 30 : 20
  const [voteDelay, distDelay] = [3, 2]
  return {
    votingIntervalSec: interval, voteDelaySec: 4, distDelaySec: 4,
    initialVotingIntervalSec: interval, initialVoteDelaySec: voteDelay, initialDistDelaySec: distDelay,
    intervalsValid: 4,
    votingOffsetSec: clock === undefined ? undefined : (clock.firstVoteSec + voteDelay + distDelay) % interval,
    firstConsensusSec: clock === undefined ? undefined : clock.firstVoteSec - clock.startSec + voteDelay + distDelay + 1,
  }
}
