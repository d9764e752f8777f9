/** Codecs of everything inside cells. Values marked "recorded" are bytes of C tor 0.4.5 as recorded in Arti's `crates/tor-cell/tests`. */

import { describe, expect, test } from 'vitest'
import { hexDecode, utf8Encode } from '../../../src/core/base/encoding.ts'
import {
  decodeCircuitPaddingNegotiate, decodeCircuitPaddingNegotiated, decodeCreate2, decodeCreated2, decodeCreatedFast, decodeCreateFast,
  decodeDestroy, decodeExtend2, decodeSendme, encodeCircuitPaddingNegotiate, encodeCircuitPaddingNegotiated, encodeCreate2,
  encodeCreated2, encodeCreatedFast, encodeCreateFast, encodeDestroy, encodeExtend2, encodeSendme,
  type CircuitPaddingNegotiate, type CircuitPaddingNegotiated, type Sendme,
} from '../../../src/core/cell/circuit-messages.ts'
import { ChannelCommand, EndReason, HandshakeType, RelayCommand } from '../../../src/core/cell/commands.ts'
import {
  decodeAuthChallenge, decodeAuthenticate, decodeCerts, decodeNetinfo, decodePaddingNegotiate, decodeVersions, encodeAuthChallenge,
  encodeAuthenticate, encodeCerts, encodeNetinfo, encodePaddingNegotiate, encodeVersions, type PaddingNegotiate,
} from '../../../src/core/cell/link-messages.ts'
import {
  decodeBegin, decodeConnected, decodeEnd, decodeResolve, decodeResolved, decodeXoff, decodeXon, encodeBegin, encodeConnected,
  encodeEnd, encodeResolve, encodeResolved, encodeXoff, encodeXon, type Connected, type Resolved,
} from '../../../src/core/cell/stream-messages.ts'
import { drillMessage, expectRefused } from '../../support/codec-drill.ts'

const hex = (text: string): Uint8Array => hexDecode(text.replace(/\s/g, ''))
const bytes = (length: number, start = 1): Uint8Array => Uint8Array.from({ length }, (_, i) => (start + i * 7) & 255)

describe('link messages', () => {
  drillMessage('VERSIONS', { encode: encodeVersions, decode: decodeVersions }, [{ label: 'recorded', value: [3, 4, 5], bytes: hex('0003 0004 0005') }], {
    prefix: 'other-message',
  })
  drillMessage(
    'CERTS',
    { encode: encodeCerts, decode: decodeCerts },
    [{ value: [{ type: 4, body: bytes(40) }, { type: 7, body: bytes(3) }], lengthFields: [{ offset: 0, size: 1 }, { offset: 2, size: 2 }, { offset: 45, size: 2 }] }],
    { trailing: 'extensible' },
  )
  drillMessage(
    'AUTH_CHALLENGE',
    { encode: encodeAuthChallenge, decode: decodeAuthChallenge },
    [
      {
        label: 'recorded',
        value: { challenge: hex('00DA5C085DEE4F3656710DA3B73652E48ACD5BAE608335FCA3FB6C4DEE104A51'), methods: [1, 3] },
        bytes: hex('00DA5C085DEE4F3656710DA3B73652E48ACD5BAE608335FCA3FB6C4DEE104A51 0002 0001 0003'),
        lengthFields: [{ offset: 32, size: 2 }],
      },
    ],
    { trailing: 'extensible' },
  )
  drillMessage(
    'AUTHENTICATE',
    { encode: encodeAuthenticate, decode: decodeAuthenticate },
    [{ value: { method: 3, authentication: bytes(352) }, lengthFields: [{ offset: 2, size: 2 }] }],
    { trailing: 'extensible' },
  )
  drillMessage(
    'NETINFO',
    { encode: encodeNetinfo, decode: decodeNetinfo },
    [
      { label: 'recorded client', value: { timestampSec: 0, otherAddress: '127.0.0.1', myAddresses: [] }, bytes: hex('00000000 0404 7F000001 00') },
      {
        label: 'recorded relay',
        value: { timestampSec: 0x5f6f859c, otherAddress: '::1', myAddresses: ['127.0.0.1', '::1'] },
        bytes: hex('5F6F859C 06 10 00000000000000000000000000000001 02 04 04 7F000001 06 10 00000000000000000000000000000001'),
        lengthFields: [{ offset: 22, size: 1 }],
      },
      { label: 'unknown address', value: { timestampSec: 1, otherAddress: undefined, myAddresses: ['10.1.2.3'] } },
    ],
    { trailing: 'extensible' },
  )
  drillMessage<PaddingNegotiate>(
    'PADDING_NEGOTIATE',
    { encode: encodePaddingNegotiate, decode: decodePaddingNegotiate },
    [
      { value: { command: 'start', lowMs: 256, highMs: 512 }, bytes: hex('00 02 0100 0200') },
      { value: { command: 'stop' }, bytes: hex('00 01 0000 0000') },
    ],
    { trailing: 'extensible' },
  )

  test('NETINFO ignores addresses whose length does not fit their type', () => {
    const body = hex('5F6F859C 06 09 000000000000000000 03 04 06 7F0000010000 BB 02 FFFF 06 10 00000000000000000000000000000001')
    expect(decodeNetinfo(body)).toEqual({ timestampSec: 0x5f6f859c, otherAddress: undefined, myAddresses: ['::1'] })
  })
  test('refuses versions and commands of padding negotiation it does not know', () => {
    expectRefused(decodePaddingNegotiate, hex('01 02 0100 0200'))
    expectRefused(decodePaddingNegotiate, hex('00 03 0100 0200'))
  })
})

describe('circuit messages', () => {
  const extensible = { trailing: 'extensible' } as const
  drillMessage('CREATE_FAST', { encode: encodeCreateFast, decode: decodeCreateFast }, [{ value: { keyMaterial: bytes(20) } }], extensible)
  drillMessage(
    'CREATED_FAST',
    { encode: encodeCreatedFast, decode: decodeCreatedFast },
    [{ value: { keyMaterial: bytes(20), derivativeKeyData: bytes(20, 9) } }],
    extensible,
  )
  drillMessage(
    'CREATE2',
    { encode: encodeCreate2, decode: decodeCreate2 },
    [{ value: { handshakeType: HandshakeType.NTOR, handshake: bytes(84) }, lengthFields: [{ offset: 2, size: 2 }] }],
    extensible,
  )
  drillMessage('CREATED2', { encode: encodeCreated2, decode: decodeCreated2 }, [{ value: { handshake: bytes(64) }, lengthFields: [{ offset: 0, size: 2 }] }], extensible)
  drillMessage(
    'EXTEND2',
    { encode: encodeExtend2, decode: decodeExtend2 },
    [
      {
        value: {
          linkSpecifiers: [
            { kind: 'address', address: { host: '127.0.0.1', port: 5000 } },
            { kind: 'legacy-identity', identity: bytes(20) },
            { kind: 'ed25519-identity', identity: bytes(32) },
            { kind: 'unknown', type: 77, body: bytes(5) },
          ],
          handshakeType: HandshakeType.NTOR_V3,
          handshake: bytes(130),
        },
        lengthFields: [{ offset: 0, size: 1 }, { offset: 2, size: 1 }],
      },
    ],
    extensible,
  )
  drillMessage('DESTROY', { encode: encodeDestroy, decode: decodeDestroy }, [{ value: { reason: 4 }, bytes: hex('04') }], extensible)
  drillMessage<Sendme>(
    'SENDME',
    { encode: encodeSendme, decode: decodeSendme },
    [
      {
        label: 'recorded',
        value: { version: 1, tag: hex('F01234989823478bcdefabcdef01234567890123') },
        bytes: hex('01 0014 F01234989823478bcdefabcdef01234567890123'),
        lengthFields: [{ offset: 1, size: 2 }],
      },
    ],
    { trailing: 'extensible', prefix: 'other-message' },
  )
  drillMessage<CircuitPaddingNegotiate>(
    'PADDING_NEGOTIATE of circuits',
    { encode: encodeCircuitPaddingNegotiate, decode: decodeCircuitPaddingNegotiate },
    [{ label: 'recorded', value: { command: 'start', machineType: 0, echoRequest: false, machineCounter: 1 }, bytes: hex('00 02 00 00 00000001') }],
    extensible,
  )
  drillMessage<CircuitPaddingNegotiated>(
    'PADDING_NEGOTIATED of circuits',
    { encode: encodeCircuitPaddingNegotiated, decode: decodeCircuitPaddingNegotiated },
    [
      { label: 'recorded', value: { command: 'stop', accepted: true, machineType: 0, machineCounter: 1 }, bytes: hex('00 01 01 00 00000001') },
      { value: { command: 'start', accepted: false, machineType: 1, machineCounter: 7 } },
    ],
    extensible,
  )

  test('SENDME: empty is version 0, unknown versions and odd tags are refused', () => {
    expect(encodeSendme({ version: 0 })).toHaveLength(0)
    expect(decodeSendme(hex('00 0003 010203'))).toEqual({ version: 0 })
    expectRefused(decodeSendme, hex('02 0000'))
    expectRefused(decodeSendme, hex('01 0013 F01234989823478bcdefabcdef012345678901'))
  })
})

describe('stream messages', () => {
  drillMessage(
    'BEGIN',
    { encode: encodeBegin, decode: decodeBegin },
    [
      { label: 'recorded IPv4', value: { host: '127.0.0.1', port: 7003, flags: 0 }, bytes: hex('3132372E302E302E313A3730303300') },
      { label: 'with flags', value: { host: 'www.xkcd.com', port: 443, flags: 3 }, bytes: hex('7777772e786b63642e636f6d3a34343300 00000003') },
      { label: 'IPv6', value: { host: '2001:db8::1', port: 22, flags: 0 }, bytes: hex('5b323030313a6462383a3a315d3a323200') },
      { label: 'onion service', value: { host: '', port: 80, flags: 0 }, bytes: utf8Encode(':80\0') },
    ],
    { trailing: 'extensible', prefix: 'other-message' },
  )
  test('BEGIN refuses what is no address and port, and lowers the case', () => {
    for (const target of ['[::]!\0', 'host\0', 'host:0\0', 'host:65536\0', 'host:80', 'a b:80\0', '[zz]:80\0', '[1.2.3.4]:80\0', '::1:80\0', 'host:80x\0', '\0']) {
      expectRefused(decodeBegin, utf8Encode(target))
    }
    expect(decodeBegin(utf8Encode('WWW.Example.ORG:443\0'))).toEqual({ host: 'www.example.org', port: 443, flags: 0 })
  })

  drillMessage<Connected>(
    'CONNECTED',
    { encode: encodeConnected, decode: decodeConnected },
    [
      { label: 'IPv4', value: { address: '127.0.0.1', ttlSec: 3600 }, bytes: hex('7F000001 00000E10') },
      { label: 'IPv6', value: { address: '2001:db8::1122', ttlSec: 3600 }, bytes: hex('00000000 06 20010db8 00000000 00000000 00001122 00000E10') },
    ],
    { trailing: 'extensible', prefix: 'other-message' },
  )
  test('CONNECTED: empty, and unknown address types', () => {
    expect(decodeConnected(new Uint8Array(0))).toEqual({})
    expectRefused(decodeConnected, hex('00000000 07 20010db8 00000000 00000000 00001122 00000E10'))
  })

  test('END: any reason, and addresses only with EXITPOLICY', () => {
    expect(decodeEnd(encodeEnd({ reason: EndReason.DONE }))).toEqual({ reason: 6 })
    expect(decodeEnd(new Uint8Array(0))).toEqual({ reason: EndReason.MISC })
    expect(decodeEnd(hex('04 7f000007 00000100'))).toEqual({ reason: 4, address: '127.0.0.7', ttlSec: 256 })
    expect(decodeEnd(hex('04 7f000007'))).toEqual({ reason: 4, address: '127.0.0.7' })
    expect(decodeEnd(hex('04 20010db8 00000000 00000000 0000f00b 00000200'))).toEqual({ reason: 4, address: '2001:db8::f00b', ttlSec: 512 })
    expect(decodeEnd(hex('04 010203'))).toEqual({ reason: 4 })
    expect(decodeEnd(hex('63 7f000007'))).toEqual({ reason: 99 })
    expect(encodeEnd({ reason: EndReason.EXITPOLICY, address: '127.0.0.7', ttlSec: 256 })).toEqual(hex('04 7f000007 00000100'))
  })

  drillMessage('RESOLVE', { encode: encodeResolve, decode: decodeResolve }, [{ value: { name: 'www.torproject.org' }, bytes: utf8Encode('www.torproject.org\0') }], {
    trailing: 'extensible',
  })
  drillMessage<Resolved>(
    'RESOLVED',
    { encode: encodeResolved, decode: decodeResolved },
    [
      {
        label: 'IPv4, then IPv6',
        value: { answers: [{ kind: 'address', address: '127.0.0.1', ttlSec: 3600 }, { kind: 'address', address: '1234::5678', ttlSec: 128 }] },
        bytes: hex('04 04 7f000001 00000E10 06 10 12340000000000000000000000005678 00000080'),
        lengthFields: [{ offset: 1, size: 1 }, { offset: 11, size: 1 }],
      },
      { label: 'name', value: { answers: [{ kind: 'hostname', name: 'www.torproject.org', ttlSec: 600 }] }, bytes: hex('00 12 7777772e746f7270726f6a6563742e6f7267 00000258') },
      { label: 'error', value: { answers: [{ kind: 'error', transient: true, ttlSec: 3600 }] } },
    ],
    { prefix: 'other-message' },
  )
  test('RESOLVED: unknown answers are left out, wrong lengths refused, errors have no content', () => {
    expect(decodeResolved(hex('63 01 00 00000258'))).toEqual({ answers: [] })
    expect(decodeResolved(hex('F0 00 00000E10'))).toEqual({ answers: [{ kind: 'error', transient: true, ttlSec: 3600 }] })
    expectRefused(decodeResolved, hex('04 03 010203 00000001'))
  })

  drillMessage('XON', { encode: encodeXon, decode: decodeXon }, [{ value: { kilobytesPerSec: 1234 }, bytes: hex('00 000004d2') }], { trailing: 'extensible' })
  test('XOFF, and versions nobody knows', () => {
    decodeXoff(encodeXoff())
    expectRefused(decodeXoff, hex('01'))
    expectRefused(decodeXoff, new Uint8Array(0))
    expectRefused(decodeXon, hex('01 00000000'))
  })
})

test('codes have names', () => {
  expect(ChannelCommand.nameOf(131)).toBe('AUTHENTICATE')
  expect(RelayCommand.nameOf(2)).toBe('DATA')
  expect(RelayCommand.nameOf(99)).toBe('RelayCommand(99)')
})
