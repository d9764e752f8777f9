/** Fuzzers of what comes over a link: frames, cells, relay messages, handshakes, link specifiers. */

import { deepStrictEqual } from 'node:assert'
import { utf8Encode } from '../../src/core/base/encoding.ts'
import { randomBelow, SeededRng, type Rng } from '../../src/core/base/rng.ts'
import { Reader } from '../../src/core/bytes/reader.ts'
import { Writer } from '../../src/core/bytes/writer.ts'
import * as circuit from '../../src/core/cell/circuit-messages.ts'
import { fixedCell, isRelayBatch, relayBatch, variableCell, type Frame } from '../../src/core/cell/cell.ts'
import { ChannelCommand, RelayCommand } from '../../src/core/cell/commands.ts'
import { FrameDecoder } from '../../src/core/cell/frame-decoder.ts'
import { FrameWriter } from '../../src/core/cell/frame-writer.ts'
import { CELL_BODY_BYTES } from '../../src/core/cell/limits.ts'
import * as hs from '../../src/core/cell/hs-messages.ts'
import * as link from '../../src/core/cell/link-messages.ts'
import { encodeRelayMessage, readRelayMessage } from '../../src/core/cell/relay-cell.ts'
import * as stream from '../../src/core/cell/stream-messages.ts'
import { x25519Generate } from '../../src/core/crypto/x25519.ts'
import { LinkSpecifierType, linkTargetOf, readLinkSpecifiers, writeLinkSpecifiers, type LinkSpecifier } from '../../src/core/ident/link-specifier.ts'
import * as extensions from '../../src/core/proto/handshake/circuit-extensions.ts'
import { ntorClientFinish, ntorClientStart, ntorServer } from '../../src/core/proto/handshake/ntor.ts'
import { circuitExtendVerification, ntorV3ClientFinish, ntorV3ClientStart, ntorV3ServerOpen, ntorV3ServerReply } from '../../src/core/proto/handshake/ntor-v3.ts'
import { wireKinds, type Fuzzer } from './fuzzer.ts'

/**
 * A codec of one message: what decodes must come back the same after being encoded again. A decoder that is `lenient`
 * (absent fields get their default) comes back the same from the second time on.
 */
function codec<T>(name: string, examples: readonly Uint8Array[], decode: (bytes: Uint8Array) => T, encode: (value: T) => Uint8Array, form: 'exact' | 'lenient' = 'exact'): Fuzzer {
  return {
    name: `cell/${name}`,
    corpus: () => examples,
    run: (input) => {
      const value = decode(input)
      const again = decode(encode(value))
      deepStrictEqual(form === 'exact' ? again : decode(encode(again)), form === 'exact' ? value : again)
      return value
    },
    allowed: wireKinds,
    form: 'bytes',
    inputBytesMax: 1024,
    smokeCases: 600,
  }
}

const bytes = (length: number, value = 7): Uint8Array => new Uint8Array(length).fill(value)

const specifiers: readonly LinkSpecifier[] = readLinkSpecifiers(
  new Reader(
    new Writer()
      .u8(3)
      .u8(LinkSpecifierType.TLS_IPV4).u8(6).bytes(Uint8Array.of(127, 0, 0, 1, 35, 41))
      .u8(LinkSpecifierType.LEGACY_IDENTITY).u8(20).bytes(bytes(20))
      .u8(LinkSpecifierType.ED25519_IDENTITY).u8(32).bytes(bytes(32))
      .finish(),
  ),
)

const readSpecifiers = (input: Uint8Array): LinkSpecifier[] => {
  const found = readLinkSpecifiers(new Reader(input))
  linkTargetOf(found)
  return found
}
const writeSpecifiers = (found: readonly LinkSpecifier[]): Uint8Array => {
  const writer = new Writer()
  writeLinkSpecifiers(writer, found)
  return writer.finish()
}

const messageCodecs: readonly Fuzzer[] = [
  codec('versions', [link.encodeVersions([3, 4, 5])], link.decodeVersions, link.encodeVersions),
  codec('certs', [link.encodeCerts([{ type: 4, body: bytes(140) }, { type: 7, body: bytes(9) }])], link.decodeCerts, link.encodeCerts),
  codec('auth-challenge', [link.encodeAuthChallenge({ challenge: bytes(32), methods: [1, 3] })], link.decodeAuthChallenge, link.encodeAuthChallenge),
  codec('authenticate', [link.encodeAuthenticate({ method: 3, authentication: bytes(352) })], link.decodeAuthenticate, link.encodeAuthenticate),
  codec('netinfo', [netinfoExample()], link.decodeNetinfo, link.encodeNetinfo),
  codec('padding-negotiate', [link.encodePaddingNegotiate({ command: 'stop' })], link.decodePaddingNegotiate, link.encodePaddingNegotiate),
  codec('create-fast', [bytes(20)], circuit.decodeCreateFast, circuit.encodeCreateFast),
  codec('created-fast', [bytes(40)], circuit.decodeCreatedFast, circuit.encodeCreatedFast),
  codec('create2', [circuit.encodeCreate2({ handshakeType: 2, handshake: bytes(84) })], circuit.decodeCreate2, circuit.encodeCreate2),
  codec('created2', [circuit.encodeCreated2({ handshake: bytes(64) })], circuit.decodeCreated2, circuit.encodeCreated2),
  codec('extend2', [circuit.encodeExtend2({ linkSpecifiers: specifiers, handshakeType: 2, handshake: bytes(84) })], circuit.decodeExtend2, circuit.encodeExtend2),
  codec('destroy', [Uint8Array.of(3)], circuit.decodeDestroy, circuit.encodeDestroy),
  codec('sendme', [circuit.encodeSendme({ version: 1, tag: bytes(20) }), new Uint8Array(0)], circuit.decodeSendme, circuit.encodeSendme),
  codec('link-specifiers', [writeSpecifiers(specifiers)], readSpecifiers, writeSpecifiers),
  codec('begin', [utf8Encode('example.com:80\0\0\0\0\0'), utf8Encode('[::1]:443\0')], stream.decodeBegin, stream.encodeBegin),
  codec('connected', [Uint8Array.of(127, 0, 0, 1, 0, 0, 0, 60), new Uint8Array(0)], stream.decodeConnected, stream.encodeConnected, 'lenient'),
  codec('end', [Uint8Array.of(6), Uint8Array.of(4, 1, 2, 3, 4, 0, 0, 0, 9)], stream.decodeEnd, stream.encodeEnd, 'lenient'),
  codec('resolve', [utf8Encode('example.com\0')], stream.decodeResolve, stream.encodeResolve),
  codec('resolved', [Uint8Array.of(4, 4, 1, 2, 3, 4, 0, 0, 0, 60)], stream.decodeResolved, stream.encodeResolved),
  codec('xon', [stream.encodeXon({ kilobytesPerSec: 10 })], stream.decodeXon, stream.encodeXon),
  codec('xoff', [stream.encodeXoff()], stream.decodeXoff, stream.encodeXoff),
  codec('circuit-padding-negotiate', [circuit.encodeCircuitPaddingNegotiate({ command: 'start', machineType: 1, echoRequest: true, machineCounter: 9 })], circuit.decodeCircuitPaddingNegotiate, circuit.encodeCircuitPaddingNegotiate),
  codec('circuit-padding-negotiated', [circuit.encodeCircuitPaddingNegotiated({ command: 'stop', accepted: true, machineType: 1, machineCounter: 9 })], circuit.decodeCircuitPaddingNegotiated, circuit.encodeCircuitPaddingNegotiated),
  codec('circuit-extensions', [extensions.encodeCircuitExtensions([{ type: 1, field: new Uint8Array(0) }])], extensions.decodeCircuitExtensions, extensions.encodeCircuitExtensions, 'lenient'),
]

const extension = { type: 1, field: bytes(19) }
const hsCodecs: readonly Fuzzer[] = [
  codec('establish-intro', [hs.encodeEstablishIntro({ authKey: bytes(32), extensions: [extension], handshakeAuth: bytes(32), signature: bytes(64) })], hs.decodeEstablishIntro, hs.encodeEstablishIntro),
  codec('intro-dos-parameters', [hs.encodeIntroDosParameters([{ type: 1, value: 25n }, { type: 2, value: 200n }])], hs.decodeIntroDosParameters, hs.encodeIntroDosParameters),
  codec('intro-established', [hs.encodeIntroEstablished({ extensions: [extension] })], hs.decodeIntroEstablished, hs.encodeIntroEstablished),
  codec('introduce', [hs.encodeIntroduce({ authKey: bytes(32), extensions: [], encrypted: bytes(200) })], hs.decodeIntroduce, hs.encodeIntroduce),
  codec('introduce-ack', [hs.encodeIntroduceAck({ status: 0, extensions: [] })], hs.decodeIntroduceAck, hs.encodeIntroduceAck),
  codec('establish-rendezvous', [bytes(20)], hs.decodeEstablishRendezvous, hs.encodeEstablishRendezvous),
  codec('rendezvous1', [hs.encodeRendezvous1({ cookie: bytes(20), handshake: bytes(64) })], hs.decodeRendezvous1, hs.encodeRendezvous1),
]

function netinfoExample(): Uint8Array {
  return new Writer().u32(1_700_000_000).u8(4).u8(4).bytes(Uint8Array.of(127, 0, 0, 1)).u8(1).u8(4).u8(4).bytes(Uint8Array.of(127, 0, 0, 2)).finish()
}

/** Cells for a corpus of frames; circuit ids have the length of the link protocol. */
const frames = (high: number): readonly Frame[] => [
  variableCell(ChannelCommand.VERSIONS, link.encodeVersions([4, 5])),
  variableCell(ChannelCommand.CERTS, link.encodeCerts([{ type: 4, body: bytes(140) }])),
  fixedCell(0, ChannelCommand.NETINFO, netinfoExample()),
  fixedCell(high + 1, ChannelCommand.CREATE2, circuit.encodeCreate2({ handshakeType: 2, handshake: bytes(84) })),
  relayBatch(high + 1, bytes(3 * CELL_BODY_BYTES)),
  relayBatch(high + 2, bytes(CELL_BODY_BYTES), ChannelCommand.RELAY_EARLY),
  fixedCell(high + 1, ChannelCommand.DESTROY, Uint8Array.of(1)),
]

function linkBytes(version: number, some: readonly Frame[]): Uint8Array {
  const writer = new FrameWriter()
  writer.useLinkProtocol(version)
  for (const frame of some) {
    if (isRelayBatch(frame)) writer.writeRelayBatch(frame)
    else writer.writeCell(frame)
  }
  return writer.take()
}

/** Batches taken apart, so that decodings with other chunk borders compare equal. */
const singles = (found: readonly Frame[]): unknown[] =>
  found.flatMap((frame) =>
    isRelayBatch(frame)
      ? Array.from({ length: frame.count }, (_, i) => ({ circuitId: frame.circuitId, command: frame.command, body: frame.payloads.slice(i * CELL_BODY_BYTES, (i + 1) * CELL_BODY_BYTES) }))
      : [{ circuitId: frame.circuitId, command: frame.command, body: frame.body }],
  )

function decodeFrames(input: Uint8Array, version: number, chunkLength: () => number): Frame[] {
  const decoder = new FrameDecoder()
  decoder.useLinkProtocol(version)
  const found: Frame[] = []
  for (let at = 0; at < input.length; ) {
    const end = Math.min(input.length, at + chunkLength())
    decoder.push(input.slice(at, end))
    for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) found.push(frame)
    at = end
  }
  return found
}

const frameFuzzer = (version: number): Fuzzer => ({
  name: `cell/frames-link-protocol-${version}`,
  corpus: () => {
    const some = frames(version >= 4 ? 0x8000_0000 : 0x8000)
    return [linkBytes(version, some.slice(0, 2)), linkBytes(version, some.slice(2))]
  },
  run: (input, rng) => {
    const whole = decodeFrames(input, version, () => input.length)
    const parts = decodeFrames(input, version, () => 1 + randomBelow(rng, 700))
    deepStrictEqual(singles(parts), singles(whole))
    return whole
  },
  // Any bytes are frames; nothing is refused at this level.
  allowed: [],
  form: 'bytes',
  inputBytesMax: 8192,
  smokeCases: 400,
})

const relayMessageFuzzer: Fuzzer = {
  name: 'cell/relay-message',
  corpus: () => [encodeRelayMessage({ command: RelayCommand.DATA, streamId: 5, data: utf8Encode('hello') }, undefined)],
  run: (input) => {
    const body = new Uint8Array(CELL_BODY_BYTES)
    body.set(input.subarray(0, CELL_BODY_BYTES))
    const message = readRelayMessage(body)
    deepStrictEqual(readRelayMessage(encodeRelayMessage(message, undefined)), message)
    return message
  },
  allowed: wireKinds,
  form: 'bytes',
  inputBytesMax: CELL_BODY_BYTES,
  smokeCases: 600,
}

const relayRng = (): Rng => new SeededRng('fuzzed relay')

function ntorFuzzers(): Fuzzer[] {
  const onionKey = x25519Generate(relayRng())
  const self = { rsaIdentity: bytes(20), ed25519Identity: bytes(32), onionKeys: { current: onionKey, previous: undefined } }
  const start = ntorClientStart({ rsaIdentity: self.rsaIdentity, onionKey: onionKey.publicKey }, relayRng())
  const verification = circuitExtendVerification
  const message = extensions.encodeCircuitRequest({ congestionControl: true })
  const startV3 = ntorV3ClientStart({ ed25519Identity: self.ed25519Identity, onionKey: onionKey.publicKey }, message, verification, relayRng())
  const answerV3 = (input: Uint8Array, rng: Rng): { reply: Uint8Array; keys: Uint8Array } => {
    const opened = ntorV3ServerOpen(input, self, verification)
    extensions.decodeCircuitRequest(opened.message)
    return ntorV3ServerReply(opened.state, extensions.encodeCircuitResponse({ sendmeIncrement: 31 }), 92, rng)
  }
  const base = { allowed: wireKinds, form: 'bytes', inputBytesMax: 2048, smokeCases: 120 } as const
  return [
    { ...base, name: 'handshake/ntor-server', corpus: () => [start.handshake], run: (input, rng) => ntorServer(input, self, 92, rng) },
    {
      ...base,
      name: 'handshake/ntor-client',
      corpus: () => [ntorServer(start.handshake, self, 92, relayRng()).reply],
      run: (input) => ntorClientFinish(start.state, input, 92),
    },
    { ...base, name: 'handshake/ntor-v3-server', corpus: () => [startV3.handshake], run: answerV3 },
    {
      ...base,
      name: 'handshake/ntor-v3-client',
      corpus: () => [answerV3(startV3.handshake, relayRng()).reply],
      run: (input) => extensions.decodeCircuitResponse(ntorV3ClientFinish(startV3.state, input, 92).message),
    },
  ]
}

export const cellFuzzers: readonly Fuzzer[] = [...messageCodecs, ...hsCodecs, frameFuzzer(3), frameFuzzer(4), relayMessageFuzzer, ...ntorFuzzers()]
