/** Codecs of the messages of onion services. */

import { describe, expect, test } from 'vitest'
import { concatBytes } from '../../../src/core/base/encoding.ts'
import {
  decodeEstablishIntro, decodeEstablishRendezvous, decodeIntroduce, decodeIntroduceAck, decodeIntroDosParameters, decodeIntroEstablished, decodeRendezvous1,
  encodeEstablishIntro, encodeEstablishRendezvous, encodeIntroduce, encodeIntroduceAck, encodeIntroDosParameters, encodeIntroEstablished, encodeRendezvous1,
  establishIntroContentBytes, IntroduceStatus,
} from '../../../src/core/cell/hs-messages.ts'
import { drillMessage, expectRefused } from '../../support/codec-drill.ts'

const bytes = (length: number, start = 1): Uint8Array => Uint8Array.from({ length }, (_, i) => (start + i * 7) & 255)
const authKey = bytes(32)
const dos = encodeIntroDosParameters([{ type: 1, value: 25n }, { type: 2, value: 0x1_0000_0000n }])

describe('messages of onion services', () => {
  drillMessage(
    'ESTABLISH_INTRO',
    { encode: encodeEstablishIntro, decode: decodeEstablishIntro },
    [
      {
        label: 'without extensions',
        value: { authKey, extensions: [], handshakeAuth: bytes(32, 5), signature: bytes(64, 9) },
        bytes: concatBytes([Uint8Array.of(2, 0, 32), authKey, Uint8Array.of(0), bytes(32, 5), Uint8Array.of(0, 64), bytes(64, 9)]),
        lengthFields: [{ offset: 1, size: 2 }, { offset: 35, size: 1 }, { offset: 68, size: 2 }],
      },
      {
        label: 'with the DoS extension',
        value: { authKey, extensions: [{ type: 1, field: dos }], handshakeAuth: bytes(32, 5), signature: bytes(64, 9) },
        lengthFields: [{ offset: 1, size: 2 }, { offset: 35, size: 1 }, { offset: 37, size: 1 }],
      },
    ],
    { trailing: 'extensible' },
  )
  drillMessage(
    'DoS parameters',
    { encode: encodeIntroDosParameters, decode: decodeIntroDosParameters },
    [{ value: [{ type: 1, value: 25n }, { type: 2, value: 0x1_0000_0000n }], lengthFields: [{ offset: 0, size: 1 }] }],
    { trailing: 'extensible' },
  )
  drillMessage(
    'INTRO_ESTABLISHED',
    { encode: encodeIntroEstablished, decode: decodeIntroEstablished },
    [
      { label: 'empty', value: { extensions: [] }, bytes: Uint8Array.of(0), lengthFields: [{ offset: 0, size: 1 }] },
      { label: 'unknown extension', value: { extensions: [{ type: 77, field: bytes(4) }] }, lengthFields: [{ offset: 0, size: 1 }, { offset: 2, size: 1 }] },
    ],
    { trailing: 'extensible' },
  )
  drillMessage(
    'INTRODUCE1',
    { encode: encodeIntroduce, decode: decodeIntroduce },
    [
      {
        value: { authKey, extensions: [{ type: 2, field: bytes(16) }], encrypted: bytes(120) },
        bytes: concatBytes([new Uint8Array(20), Uint8Array.of(2, 0, 32), authKey, Uint8Array.of(1, 2, 16), bytes(16), bytes(120)]),
        lengthFields: [{ offset: 21, size: 2 }, { offset: 55, size: 1 }, { offset: 57, size: 1 }],
      },
    ],
    { prefix: 'other-message' },
  )
  drillMessage(
    'INTRODUCE_ACK',
    { encode: encodeIntroduceAck, decode: decodeIntroduceAck },
    [{ value: { status: IntroduceStatus.UNKNOWN_ID, extensions: [] }, bytes: Uint8Array.of(0, 1, 0), lengthFields: [{ offset: 2, size: 1 }] }],
    { trailing: 'extensible' },
  )
  drillMessage('ESTABLISH_RENDEZVOUS', { encode: encodeEstablishRendezvous, decode: decodeEstablishRendezvous }, [{ value: { cookie: bytes(20) } }], { trailing: 'extensible' })
  drillMessage('RENDEZVOUS1', { encode: encodeRendezvous1, decode: decodeRendezvous1 }, [{ value: { cookie: bytes(20), handshake: bytes(64) } }], { prefix: 'other-message' })

  test('forms of version 2 are refused', () => {
    const establish = encodeEstablishIntro({ authKey, extensions: [], handshakeAuth: bytes(32), signature: bytes(64) })
    for (const type of [0, 1, 3]) expectRefused(decodeEstablishIntro, Uint8Array.of(type, ...establish.subarray(1)))
    const introduce = encodeIntroduce({ authKey, extensions: [], encrypted: bytes(9) })
    expectRefused(decodeIntroduce, Uint8Array.of(1, ...introduce.subarray(1)))
  })

  test('an introduction has an encrypted part', () => {
    expectRefused(decodeIntroduce, encodeIntroduce({ authKey, extensions: [], encrypted: Uint8Array.of(1) }).slice(0, -1))
  })

  test('what the MAC covers begins the message', () => {
    const message = { authKey, extensions: [{ type: 9, field: bytes(3) }], handshakeAuth: bytes(32), signature: bytes(64) }
    const content = establishIntroContentBytes(message)
    expect(encodeEstablishIntro(message).subarray(0, content.length)).toEqual(content)
  })
})
