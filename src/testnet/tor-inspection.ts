/**
 * What C tor's control port says, as `NodeInspection`. C tor tells of its own circuits, streams, links and guards; of
 * circuits that only pass through it, it tells nothing, so a relay's inspection has none.
 */

import { latin1Decode, utf8Encode } from '../core/base/encoding.ts'
import { controlWords } from '../core/control/reply-decoder.ts'
import { parseAddressPort } from '../core/ident/address.ts'
import { parseConsensus } from '../core/netdoc/consensus.ts'
import type { ChannelInspection, CircuitInspection, NodeEvent, NodeInspection, StreamInspection } from '../runtime/events.ts'
import { inspectConsensus } from '../node/node-inspection.ts'
import type { SocketAddress } from '../runtime/index.ts'
import type { TorControl } from './tor-control.ts'

/** Names of C tor's consensuses as GETINFO has them. */
export const consensusKeys = Object.freeze({ ns: 'dir/status-vote/current/consensus', microdesc: 'dir/status-vote/current/consensus-microdesc' })

type ListenerName = Extract<NodeEvent, { readonly kind: 'listening' }>['listener']
export const listenerNames: readonly ListenerName[] = Object.freeze(['or', 'dir', 'socks', 'control', 'dns', 'metrics'])

/** The part that the owner of the node keeps; the rest is asked for. */
export type KnownOfTor = Pick<NodeInspection, 'nickname' | 'version' | 'roles' | 'stage' | 'bootstrap' | 'listeners' | 'warnings'> & {
  readonly waitingFor: string | undefined
  readonly ed25519: string | undefined
}

export async function inspectTor(control: TorControl, known: KnownOfTor): Promise<NodeInspection> {
  const [fingerprint, ns, microdesc, circuitText, streamText, linkText, guardText] = await Promise.all([
    control.ask('fingerprint'),
    control.ask(consensusKeys.ns),
    control.ask(consensusKeys.microdesc),
    control.ask('circuit-status'),
    control.ask('stream-status'),
    control.ask('orconn-status'),
    control.ask('entry-guards'),
  ])
  const { waitingFor, ed25519, ...rest } = known
  const streams = parseStreams(streamText)
  return {
    ...rest,
    ...(waitingFor === undefined ? {} : { waitingFor }),
    ...(fingerprint === undefined ? {} : { fingerprint: fingerprint.toUpperCase() }),
    ...(ed25519 === undefined ? {} : { ed25519 }),
    consensus: [ns, microdesc].flatMap((text) => (text === undefined ? [] : [inspectConsensus(parseConsensus(documentText(text)))])),
    descriptors: { wanted: 0, held: 0 },
    guards: linesOf(guardText).flatMap((line) => {
      const [relay = '', state = ''] = line.split(' ')
      const { fingerprint: guard, nickname } = longName(relay)
      return guard === undefined ? [] : [{ fingerprint: guard, nickname, state }]
    }),
    channels: parseLinks(linkText),
    circuits: parseCircuits(circuitText, streams),
  }
}

/** A document out of a reply's data section, as the bytes were sent (latin1), with the newline at its end that the section took. */
export const documentText = (data: string): string => `${latin1Decode(utf8Encode(data))}\n`

/** `"127.0.0.1:9001" "unix:/path"`: those that are addresses. */
export function parseListeners(text: string): SocketAddress[] {
  return controlWords(text).flatMap((word) => {
    const address = parseAddressPort(word)
    return address === undefined ? [] : [address]
  })
}

interface TorStream {
  readonly circuit: string
  readonly inspection: StreamInspection
}

/** `StreamID SP StreamStatus SP CircuitID SP Target` (control-spec §3.9, stream-status). */
function parseStreams(text: string | undefined): TorStream[] {
  return linesOf(text).flatMap((line) => {
    const [id = '', state = '', circuit = '', target = ''] = line.split(' ')
    return [{ circuit, inspection: { streamId: Number(id), state: state.toLowerCase(), target, bytesRead: 0, bytesWritten: 0 } }]
  })
}

/** `CircuitID SP CircStatus [SP Path] [SP KEY=value…]` (control-spec §4.1.1). */
function parseCircuits(text: string | undefined, streams: readonly TorStream[]): CircuitInspection[] {
  return linesOf(text).map((line) => {
    const [id = '', state = '', ...rest] = controlWords(line)
    const path = rest[0]?.startsWith('$') === true ? rest[0].split(',') : []
    const value = (key: string): string | undefined => rest.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1)
    const purpose = value('PURPOSE')
    const created = Date.parse(`${value('TIME_CREATED') ?? ''}Z`)
    return {
      id: Number(id),
      role: 'origin',
      state: state === 'BUILT' ? 'open' : state === 'CLOSED' || state === 'FAILED' ? 'closing' : 'building',
      ...(purpose === undefined ? {} : { purpose: purpose.toLowerCase() }),
      path: path.flatMap((hop) => longName(hop).fingerprint ?? []),
      streams: streams.filter((stream) => stream.circuit === id).map((stream) => stream.inspection),
      ageMs: Number.isNaN(created) ? 0 : Math.max(0, Date.now() - created),
      queuedCells: 0,
    }
  })
}

/** `LongName SP ORStatus` (control-spec §3.9, orconn-status). The line has neither address nor counts. */
function parseLinks(text: string | undefined): ChannelInspection[] {
  return linesOf(text).map((line, index) => {
    const [peer = '', state = ''] = line.split(' ')
    const { fingerprint } = longName(peer)
    return {
      id: index + 1,
      state: state === 'CONNECTED' ? 'open' : state.toLowerCase(),
      initiator: fingerprint !== undefined,
      remote: parseAddressPort(peer) ?? { host: '0.0.0.0', port: 0 },
      ...(fingerprint === undefined ? {} : { fingerprint }),
      circuits: 0,
      bytesRead: 0,
      bytesWritten: 0,
      queuedCells: 0,
    }
  })
}

/** `$FINGERPRINT~nickname` or `$FINGERPRINT=nickname` (control-spec §2.4, LongName). */
function longName(text: string): { fingerprint: string | undefined; nickname: string } {
  const match = /^\$([0-9A-Fa-f]{40})(?:[~=](\w+))?$/.exec(text)
  return { fingerprint: match?.[1]?.toUpperCase(), nickname: match?.[2] ?? '' }
}

const linesOf = (text: string | undefined): string[] => (text === undefined ? [] : text.split('\n').filter((line) => line !== ''))
