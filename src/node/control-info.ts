/** What GETINFO knows (control-spec §3.9): a table of keys, each with what it says and how it is found out. */

import { RelishError } from '../core/base/errors.ts'
import { formatIsoTime, type MonotonicMs } from '../core/base/time.ts'
import { versionText } from '../core/base/version.ts'
import { controlSignals, type InfoAnswer } from '../core/control/actions.ts'
import { quote } from '../core/control/arguments.ts'
import { formatAddressPort } from '../core/ident/address.ts'
import { parseRelayName } from '../core/ident/fingerprint.ts'
import { hexEncodeUpper } from '../core/base/encoding.ts'
import { defaultPolicy } from '../core/netdoc/configured-exit-policy.ts'
import type { RouterStatus } from '../core/netdoc/router-status.ts'
import { dumpConfig, effectiveText } from '../core/torrc/dump.ts'
import type { OptionSpec } from '../core/torrc/option-spec.ts'
import { optionNames, optionTable } from '../core/torrc/option-table.ts'
import { defaultText, type TorConfig } from '../core/torrc/config.ts'
import type { NodeInspection } from '../runtime/events.ts'
import type { Runtime } from '../runtime/index.ts'
import { circuitStatus, formatRouterStatus, guardStatus, linkStatus, nicknamesOf, streamStatus } from './control-format.ts'
import type { ControlDocuments, ControlledNode } from './controlled-node.ts'
import type { NodeOwner } from './node.ts'

/** What answers are made from. */
export interface InfoSources {
  readonly runtime: Runtime
  readonly node: ControlledNode
  readonly owner: NodeOwner
  readonly config: () => TorConfig
  readonly startedAt: MonotonicMs
  readonly eventNames: readonly string[]
  /** Bytes read and written in each of the last seconds, oldest first. */
  readonly bandwidthHistory: () => readonly { readonly read: number; readonly written: number }[]
}

interface InfoKey {
  readonly says: string
  /** Undefined: nothing to say now. `rest` is what follows a key that ends in `/*`. */
  readonly get: (sources: InfoSources, rest: string) => string | undefined
  /** Told when `get` has nothing to say. */
  readonly missing?: string
}

export function getInfo(sources: InfoSources, key: string): InfoAnswer {
  const exact = infoKeys.get(key)
  const found = exact === undefined ? prefixOf(key) : { entry: exact, rest: '' }
  if (found === undefined) return { kind: 'unknown' }
  try {
    const value = found.entry.get(sources, found.rest)
    return value === undefined ? { kind: 'failed', reason: found.entry.missing ?? 'Not available now' } : { kind: 'value', value }
  } catch (thrown) {
    if (thrown instanceof RelishError && thrown.kind === 'refused') return { kind: 'unknown' }
    throw thrown
  }
}

function prefixOf(key: string): { entry: InfoKey; rest: string } | undefined {
  for (let slash = key.lastIndexOf('/'); slash > 0; slash = key.lastIndexOf('/', slash - 1)) {
    const entry = infoKeys.get(`${key.slice(0, slash)}/*`)
    if (entry !== undefined) return { entry, rest: key.slice(slash + 1) }
  }
  return undefined
}

/** Nothing of this name. */
const noSuchKey = (): never => {
  throw new RelishError('refused', 'no such key')
}

const joinLines = (lines: readonly string[]): string => lines.join('\n')

function nicknames({ node }: InfoSources) {
  return nicknamesOf(node.documents())
}

/** The consensus that this node works with. */
function relays(documents: ControlDocuments | undefined): readonly RouterStatus[] | undefined {
  return (documents?.consensus('microdesc') ?? documents?.consensus('ns'))?.relays
}

/** A relay of the consensus by `id/FINGERPRINT` or `name/NICKNAME`. */
function findRelay({ node }: InfoSources, text: string): RouterStatus | undefined {
  const name = parseRelayName(text)
  const all = relays(node.documents())
  if (name === undefined || all === undefined) return undefined
  if (name.kind === 'nickname') return all.find((relay) => relay.nickname.toLowerCase() === name.nickname.toLowerCase())
  const fingerprint = hexEncodeUpper(name.identity)
  return all.find((relay) => relay.fingerprint === fingerprint)
}

function serverDescriptor(sources: InfoSources, text: string): string | undefined {
  const relay = findRelay(sources, text)
  const name = parseRelayName(text)
  const fingerprint = relay?.fingerprint ?? (name?.kind === 'fingerprint' ? hexEncodeUpper(name.identity) : undefined)
  return fingerprint === undefined ? undefined : sources.node.documents()?.serverDescriptorOf(fingerprint)?.text
}

function microdescriptor({ node }: InfoSources, relay: RouterStatus | undefined): string | undefined {
  if (relay?.microdescriptorDigest === undefined) return undefined
  return node.documents()?.microdescriptor(relay.microdescriptorDigest)?.text
}

function listeners({ node }: InfoSources, kind: string): string {
  return node
    .inspect()
    .listeners.filter((each) => each.listener === kind)
    .map(({ address }) => quote(address.port === 0 ? `unix:${address.host}` : formatAddressPort(address)))
    .join(' ')
}

function bootstrapPhase(inspection: NodeInspection): string {
  const { progress, tag, summary } = inspection.bootstrap
  return `NOTICE BOOTSTRAP PROGRESS=${progress} TAG=${tag} SUMMARY=${quote(summary)}`
}

function ownPolicy({ node }: InfoSources): string | undefined {
  const text = node.ownDocuments()?.descriptor.text
  return text?.split('\n').filter((line) => /^(accept|reject) /.test(line)).join('\n')
}

const consensusTime = (field: 'validAfter' | 'freshUntil' | 'validUntil') => ({ node }: InfoSources): string | undefined => {
  const documents = node.documents()
  const consensus = documents?.consensus('microdesc') ?? documents?.consensus('ns')
  return consensus === undefined ? undefined : formatIsoTime(consensus[field])
}

const listenerKinds: Readonly<Record<string, string>> = { or: 'or', dir: 'dir', socks: 'socks', control: 'control', dns: 'dns', httptunnel: 'http-tunnel', extor: 'ext-or', trans: 'trans', natd: 'natd' }

const fixed = (value: string) => (): string => value
const flag = (value: boolean): string => (value ? '1' : '0')

const infoKeys: ReadonlyMap<string, InfoKey> = new Map<string, InfoKey>(
  Object.entries({
    version: { says: 'The version of this program.', get: fixed(versionText) },
    'config-file': { says: 'Path of the torrc.', get: ({ owner }) => owner.config?.file ?? '' },
    'config-defaults-file': { says: 'Path of the defaults torrc.', get: ({ owner }) => owner.config?.defaultsFile ?? '' },
    'config-text': { says: 'What SAVECONF would write.', get: ({ config }) => dumpConfig(config(), 'short') },
    'config-can-saveconf': { says: 'Whether SAVECONF works.', get: ({ owner }) => flag(owner.config?.file !== undefined) },
    'config/names': { says: 'Options and their types.', get: () => joinLines(optionNames.map((name) => `${name} ${(optionTable[name] as OptionSpec<unknown>).kind.name}`)) },
    'config/defaults': {
      says: 'Options and their defaults.',
      get: ({ config }) =>
        joinLines(
          optionNames.flatMap((name) => {
            const standard = defaultText(name, config().options.TestingTorNetwork)
            return standard === undefined ? [] : [`${name} ${quote(standard)}`]
          }),
        ),
    },
    'info/names': { says: 'What GETINFO knows.', get: () => joinLines([...infoKeys].map(([name, { says }]) => `${name} -- ${says}`).sort()) },
    'events/names': { says: 'What SETEVENTS knows.', get: ({ eventNames }) => eventNames.join(' ') },
    'signal/names': { says: 'What SIGNAL knows.', get: fixed(controlSignals.join(' ')) },
    'features/names': { says: 'What USEFEATURE knows.', get: fixed('VERBOSE_NAMES EXTENDED_EVENTS') },

    'process/pid': { says: 'Process id.', get: ({ owner }) => (owner.processId === undefined ? undefined : String(owner.processId)) },
    'process/uid': { says: 'User id; not told.', get: fixed('-1') },
    'process/user': { says: 'User name; not told.', get: fixed('') },
    'process/descriptor-limit': { says: 'Limit of file descriptors; not told.', get: fixed('-1') },
    uptime: { says: 'Seconds since the start.', get: ({ runtime, startedAt }) => String(Math.floor((runtime.monotonicNow() - startedAt) / 1000)) },
    'traffic/read': { says: 'Bytes read since the start.', get: ({ node }) => String(node.traffic().read) },
    'traffic/written': { says: 'Bytes written since the start.', get: ({ node }) => String(node.traffic().written) },
    'bw-event-cache': { says: 'Bytes of the last seconds.', get: ({ bandwidthHistory }) => bandwidthHistory().map(({ read, written }) => `${read},${written}`).join(' ') },
    'accounting/enabled': { says: 'Whether traffic is accounted for.', get: fixed('0') },
    dormant: { says: 'Whether the node is idle.', get: fixed('0') },
    'network-liveness': { says: 'Whether the network is believed to be there.', get: ({ node }) => (node.inspect().channels.some((channel) => channel.state === 'open') ? 'up' : 'down') },
    'net/listeners/*': { says: 'Addresses listened on.', get: (sources, rest) => listeners(sources, listenerKinds[rest] ?? noSuchKey()) },

    address: { says: 'Our address.', get: ({ node }) => node.addresses().ipv4, missing: 'Address unknown' },
    'address/v4': { says: 'Our IPv4 address.', get: ({ node }) => node.addresses().ipv4, missing: 'Address unknown' },
    'address/v6': { says: 'Our IPv6 address.', get: ({ node }) => node.addresses().ipv6, missing: 'Address unknown' },
    fingerprint: { says: 'Our fingerprint.', get: ({ node }) => node.inspect().fingerprint, missing: 'Not running in server mode' },
    'exit-policy/default': { says: 'Rules appended to ExitPolicy.', get: fixed(defaultPolicy) },
    'exit-policy/full': { says: 'Our exit policy.', get: ownPolicy, missing: 'Not running in server mode' },

    'circuit-status': { says: 'Circuits of this node.', get: (sources) => joinLines(circuitStatus(sources.node.inspect(), sources.runtime.wallNow(), nicknames(sources))) },
    'stream-status': { says: 'Streams of this node.', get: ({ node }) => joinLines(streamStatus(node.inspect())) },
    'orconn-status': { says: 'Links of this node.', get: (sources) => joinLines(linkStatus(sources.node.inspect(), nicknames(sources))) },
    'entry-guards': { says: 'Guards.', get: ({ node }) => joinLines(guardStatus(node.inspect())) },
    'address-mappings/all': { says: 'Mapped addresses.', get: (sources) => mappings(sources) },
    'address-mappings/config': { says: 'Addresses mapped by the configuration.', get: (sources) => mappings(sources) },
    'address-mappings/cache': { says: 'Addresses mapped by answers.', get: fixed('') },
    'address-mappings/control': { says: 'Addresses mapped by controllers.', get: fixed('') },
    'onions/current': { says: 'Onion services of this connection.', get: fixed('') },
    'onions/detached': { says: 'Onion services of no connection.', get: fixed('') },

    'ns/all': { says: 'All relays of the consensus.', get: ({ node }) => relays(node.documents())?.map(formatRouterStatus).join('') ?? '' },
    'ns/id/*': { says: 'A relay of the consensus.', get: (sources, rest) => mapped(findRelay(sources, rest), formatRouterStatus), missing: 'No such relay in the consensus' },
    'ns/name/*': { says: 'A relay of the consensus.', get: (sources, rest) => mapped(findRelay(sources, rest), formatRouterStatus), missing: 'No such relay in the consensus' },
    'ns/purpose/*': { says: 'Relays of a purpose.', get: () => '' },
    'desc/id/*': { says: 'A server descriptor.', get: serverDescriptor, missing: 'No such descriptor at hand' },
    'desc/name/*': { says: 'A server descriptor.', get: serverDescriptor, missing: 'No such descriptor at hand' },
    'desc/all-recent': { says: 'All server descriptors at hand.', get: ({ node }) => [...(node.documents()?.serverDescriptors() ?? [])].map((descriptor) => descriptor.text).join('') },
    'desc/download-enabled': { says: 'Whether server descriptors are fetched.', get: ({ config }) => flag(config().options.UseMicrodescriptors === false) },
    'md/id/*': { says: 'A microdescriptor.', get: (sources, rest) => microdescriptor(sources, findRelay(sources, rest)), missing: 'No such microdescriptor at hand' },
    'md/name/*': { says: 'A microdescriptor.', get: (sources, rest) => microdescriptor(sources, findRelay(sources, rest)), missing: 'No such microdescriptor at hand' },
    'md/all': { says: 'All microdescriptors of the consensus at hand.', get: (sources) => (relays(sources.node.documents()) ?? []).map((relay) => microdescriptor(sources, relay) ?? '').join('') },
    'md/download-enabled': { says: 'Whether microdescriptors are fetched.', get: ({ config }) => flag(config().options.UseMicrodescriptors !== false) },
    'extra-info/digest/*': { says: 'An extra-info document.', get: ({ node }, rest) => node.documents()?.extraInfo(rest.toUpperCase())?.text, missing: 'No such document at hand' },
    'dir/status-vote/current/consensus': { says: 'The consensus.', get: ({ node }) => node.documents()?.consensus('ns')?.text, missing: 'Could not open cached consensus. Make sure FetchUselessDescriptors is set to 1.' },
    'dir/status-vote/current/consensus-microdesc': { says: 'The consensus with microdescriptors.', get: ({ node }) => node.documents()?.consensus('microdesc')?.text, missing: 'There is no consensus' },
    'dir/server/all': { says: 'All server descriptors.', get: ({ node }) => [...(node.documents()?.serverDescriptors() ?? [])].map((descriptor) => descriptor.text).join('') },
    'dir/server/authority': { says: 'Our own server descriptor.', get: ({ node }) => node.ownDocuments()?.descriptor.text ?? '' },
    'dir/server/fp/*': { says: 'Server descriptors by fingerprint.', get: (sources, rest) => rest.split('+').map((each) => serverDescriptor(sources, each) ?? '').join('') },
    'consensus/valid-after': { says: 'Begin of the consensus.', get: consensusTime('validAfter') },
    'consensus/fresh-until': { says: 'When a newer consensus is due.', get: consensusTime('freshUntil') },
    'consensus/valid-until': { says: 'End of the consensus.', get: consensusTime('validUntil') },

    'status/bootstrap-phase': { says: 'How far the node has come.', get: ({ node }) => bootstrapPhase(node.inspect()) },
    'status/circuit-established': { says: 'Whether a circuit was built.', get: ({ node }) => flag(node.hasCircuit()) },
    'status/enough-dir-info': { says: 'Whether circuits can be built.', get: ({ node }) => flag(node.directoryInfo()?.enough === true) },
    'status/good-server-descriptor': { says: 'Whether our descriptor was taken.', get: ({ node }) => flag(node.isPublished()) },
    'status/accepted-server-descriptor': { says: 'Whether our descriptor was taken.', get: ({ node }) => flag(node.isPublished()) },
    'status/reachability-succeeded/or': { says: 'Whether our ORPort can be reached.', get: ({ node }) => flag(node.isPublished()) },
    'status/reachability-succeeded/dir': { says: 'Whether our DirPort can be reached.', get: ({ node }) => flag(node.isPublished()) },
    'status/reachability-succeeded': { says: 'Both of those.', get: ({ node }) => `OR=${flag(node.isPublished())} DIR=${flag(node.isPublished())}` },
    'status/version/recommended': { says: 'Versions the authorities recommend.', get: (sources) => recommendedVersions(sources).join(',') },
    'status/version/current': { says: 'Whether ours is one of them.', get: currentVersion },
    'status/version/num-concurring': { says: 'Authorities that recommend versions.', get: fixed('0') },
    'status/version/num-versioning': { says: 'Authorities that recommend versions.', get: fixed('0') },
    'status/fresh-relay-descs': {
      says: 'Our descriptor and extra-info document.',
      get: ({ node }) => mapped(node.ownDocuments(), (own) => own.descriptor.text + own.extraInfo),
      missing: 'Not running in server mode',
    },
    'ip-to-country/ipv4-available': { says: 'Whether countries of addresses are known.', get: fixed('0') },
    'ip-to-country/ipv6-available': { says: 'Whether countries of addresses are known.', get: fixed('0') },
    'ip-to-country/*': { says: 'Country of an address; never known.', get: fixed('??') },
  } satisfies Record<string, InfoKey>),
)

const mapped = <T, R>(value: T | undefined, map: (value: T) => R): R | undefined => (value === undefined ? undefined : map(value))

function mappings({ config }: InfoSources): string {
  return effectiveText(config(), 'MapAddress').map((line) => `${line} NEVER`).join('\n')
}

function recommendedVersions({ node, config }: InfoSources): readonly string[] {
  const documents = node.documents()
  const consensus = documents?.consensus('microdesc') ?? documents?.consensus('ns')
  const versions = config().options.ORPort.length > 0 ? consensus?.serverVersions : consensus?.clientVersions
  return versions ?? []
}

function currentVersion(sources: InfoSources): string {
  const recommended = recommendedVersions(sources)
  if (recommended.length === 0) return 'unknown'
  return recommended.includes(versionText.split(' ')[0] ?? '') ? 'recommended' : 'unrecommended'
}
