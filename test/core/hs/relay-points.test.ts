/** What a relay decides about introduction and rendezvous points, with circuits that are nothing but a name. */

import { beforeEach, describe, expect, test } from 'vitest'
import { must } from '../../../src/core/base/assert.ts'
import { SeededRng } from '../../../src/core/base/rng.ts'
import { monotonicMs } from '../../../src/core/base/time.ts'
import { DestroyReason, RelayCommand } from '../../../src/core/cell/commands.ts'
import {
  decodeIntroduceAck, encodeEstablishIntro, encodeIntroduce, encodeIntroDosParameters, encodeRendezvous1, IntroduceStatus, type HsExtension,
} from '../../../src/core/cell/hs-messages.ts'
import { ed25519Generate } from '../../../src/core/crypto/ed25519.ts'
import { signEstablishIntro } from '../../../src/core/hs/establish-intro.ts'
import type { IntroDosLimits } from '../../../src/core/hs/intro-dos-defence.ts'
import { INTRODUCE1_BYTES_MAX } from '../../../src/core/hs/limits.ts'
import { HsRelayPoints, type HsAction, type HsCircuit } from '../../../src/core/hs/relay-points.ts'

interface FakeCircuit extends HsCircuit {
  readonly name: string
  endsHere: boolean
  fromClient: boolean
}

const rng = new SeededRng('relay points')
const circuit = (name: string, options: Partial<FakeCircuit> = {}): FakeCircuit => ({ name, endsHere: true, fromClient: false, circuitNonce: rng.bytes(20), ...options })

let limits: IntroDosLimits
let refusesSingleHop: boolean
let points: HsRelayPoints<FakeCircuit>
let nowMs: number
beforeEach(() => {
  limits = { enabled: false, ratePerSec: 25, burst: 200 }
  refusesSingleHop = false
  nowMs = 1000
  points = new HsRelayPoints({ introDosLimits: () => limits, refusesSingleHopRendezvous: () => refusesSingleHop })
})

const send = (to: FakeCircuit, command: RelayCommand, data: Uint8Array): readonly HsAction<FakeCircuit>[] => points.handle(monotonicMs(nowMs), to, { command, streamId: 0, data })

/** Actions as short as they can be told. */
const told = (actions: readonly HsAction<FakeCircuit>[]): string[] =>
  actions.map((action) => {
    switch (action.kind) {
      case 'send':
        return `${action.circuit.name} gets ${RelayCommand.nameOf(action.command)}`
      case 'close':
        return `${action.circuit.name} is closed: ${DestroyReason.nameOf(action.reason)}`
      case 'join':
        return `${action.circuits[0].name} is joined with ${action.circuits[1].name}`
    }
  })

const closedForBreach = (name: string): string[] => [`${name} is closed: PROTOCOL`]

describe('introduction points', () => {
  const serviceKey = ed25519Generate(rng)
  const establish = (at: FakeCircuit, key = serviceKey, extensions: readonly HsExtension[] = []): readonly HsAction<FakeCircuit>[] =>
    send(at, RelayCommand.ESTABLISH_INTRO, encodeEstablishIntro(signEstablishIntro(key, at.circuitNonce, extensions)))
  const introduction = encodeIntroduce({ authKey: serviceKey.publicKey, extensions: [], encrypted: rng.bytes(200) })
  const introduce = (name = 'client'): readonly HsAction<FakeCircuit>[] => send(circuit(name), RelayCommand.INTRODUCE1, introduction)
  const statusOf = (actions: readonly HsAction<FakeCircuit>[]): IntroduceStatus | undefined => {
    const ack = actions.find((action) => action.kind === 'send' && action.command === RelayCommand.INTRODUCE_ACK)
    return ack?.kind === 'send' ? decodeIntroduceAck(ack.data).status : undefined
  }

  test('a service establishes one, and clients are passed on to it with the same contents', () => {
    expect(told(establish(circuit('service')))).toEqual(['service gets INTRO_ESTABLISHED'])
    const actions = introduce()
    expect(told(actions)).toEqual(['service gets INTRODUCE2', 'client gets INTRODUCE_ACK'])
    expect(must(actions[0], 'there are two')).toMatchObject({ data: introduction })
    expect(statusOf(actions)).toBe(IntroduceStatus.SUCCESS)
  })

  test('a message made for another circuit, or signed by another key, is refused', () => {
    const service = circuit('service')
    const elsewhere = encodeEstablishIntro(signEstablishIntro(serviceKey, circuit('elsewhere').circuitNonce))
    expect(told(send(service, RelayCommand.ESTABLISH_INTRO, elsewhere))).toEqual(closedForBreach('service'))
    const stolen = { ...signEstablishIntro(ed25519Generate(rng), service.circuitNonce), authKey: serviceKey.publicKey }
    expect(told(send(service, RelayCommand.ESTABLISH_INTRO, encodeEstablishIntro(stolen)))).toEqual(closedForBreach('service'))
    const message = signEstablishIntro(serviceKey, service.circuitNonce)
    const forged = { ...message, signature: message.signature.map((byte, i) => (i === 3 ? byte ^ 1 : byte)) }
    expect(told(send(service, RelayCommand.ESTABLISH_INTRO, encodeEstablishIntro(forged)))).toEqual(closedForBreach('service'))
    expect(points.introductionCount).toBe(0)
  })

  test('a circuit is one introduction point, and only where it ends', () => {
    const service = circuit('service')
    establish(service)
    expect(told(establish(service))).toEqual(closedForBreach('service'))
    expect(told(establish(circuit('long', { endsHere: false })))).toEqual(closedForBreach('long'))
    expect(told(send(service, RelayCommand.ESTABLISH_RENDEZVOUS, rng.bytes(20)))).toEqual(closedForBreach('service'))
  })

  test('a service of one hop may establish one', () => {
    expect(told(establish(circuit('service', { fromClient: true })))).toEqual(['service gets INTRO_ESTABLISHED'])
  })

  test('a newer circuit of the same service takes over', () => {
    establish(circuit('old'))
    expect(told(establish(circuit('new')))).toEqual(['old is closed: FINISHED', 'new gets INTRO_ESTABLISHED'])
    expect(told(introduce())[0]).toBe('new gets INTRODUCE2')
    expect(points.introductionCount).toBe(1)
  })

  test('a service that has gone is not known', () => {
    const service = circuit('service')
    establish(service)
    points.forget(service)
    const actions = introduce()
    expect(told(actions)).toEqual(['client gets INTRODUCE_ACK'])
    expect(statusOf(actions)).toBe(IntroduceStatus.UNKNOWN_ID)
    expect(points.introductionCount).toBe(0)
  })

  test('one introduction a circuit, whatever came of it', () => {
    const client = circuit('client')
    expect(statusOf(send(client, RelayCommand.INTRODUCE1, introduction))).toBe(IntroduceStatus.UNKNOWN_ID)
    expect(told(send(client, RelayCommand.INTRODUCE1, introduction))).toEqual(closedForBreach('client'))
  })

  test('clients of one hop are refused', () => {
    establish(circuit('service'))
    expect(told(send(circuit('client', { fromClient: true }), RelayCommand.INTRODUCE1, introduction))).toEqual(closedForBreach('client'))
  })

  test('malformed introductions are answered, and those that are hardly anything close the circuit', () => {
    establish(circuit('service'))
    const legacy = introduction.map((byte, i) => (i === 0 ? 1 : byte))
    for (const data of [legacy, introduction.slice(0, 40), new Uint8Array(INTRODUCE1_BYTES_MAX + 1)]) {
      const actions = send(circuit('client'), RelayCommand.INTRODUCE1, data)
      expect(told(actions)).toEqual(['client gets INTRODUCE_ACK'])
      expect(statusOf(actions)).toBe(IntroduceStatus.BAD_FORMAT)
    }
    expect(told(send(circuit('client'), RelayCommand.INTRODUCE1, new Uint8Array(19)))).toEqual(closedForBreach('client'))
  })

  describe('under attack', () => {
    const passedOn = (count: number): number => Array.from({ length: count }, () => introduce()).filter((actions) => statusOf(actions) === IntroduceStatus.SUCCESS).length
    const asking = (rate: bigint, burst: bigint): HsExtension[] => [{ type: 1, field: encodeIntroDosParameters([{ type: 1, value: rate }, { type: 2, value: burst }]) }]

    test('nothing is held back unless the network or the service wants it', () => {
      establish(circuit('service'))
      expect(passedOn(1000)).toBe(1000)
    })

    test('the consensus limits introductions, from when it says so', () => {
      establish(circuit('service'))
      limits = { enabled: true, ratePerSec: 5, burst: 10 }
      // The last token stays, as in C tor.
      expect(passedOn(50)).toBe(9)
      nowMs += 1000
      expect(passedOn(50)).toBe(4)
      nowMs += 60_000
      expect(passedOn(50)).toBe(9)
      limits = { ...limits, enabled: false }
      expect(passedOn(50)).toBe(50)
    })

    test('what the service asked for comes before the consensus', () => {
      limits = { enabled: true, ratePerSec: 100, burst: 100 }
      establish(circuit('service'), serviceKey, asking(2n, 4n))
      expect(passedOn(50)).toBe(3)
    })

    test.each([
      ['a rate of zero', asking(0n, 10n)],
      ['a burst of zero', asking(10n, 0n)],
      ['a burst below the rate', asking(10n, 5n)],
      ['a rate that is too great', asking(1n << 31n, 1n << 31n)],
      ['no parameters', [{ type: 1, field: Uint8Array.of(0) }]],
    ])('%s switches the defence off', (_, extensions) => {
      limits = { enabled: true, ratePerSec: 1, burst: 2 }
      establish(circuit('service'), serviceKey, extensions)
      expect(passedOn(50)).toBe(50)
    })

    test.each([
      ['an unknown parameter', [{ type: 1, field: encodeIntroDosParameters([{ type: 3, value: 1n }]) }]],
      ['a field that is cut short', [{ type: 1, field: Uint8Array.of(2, 1) }]],
      ['another extension', [{ type: 9, field: new Uint8Array(3) }]],
    ])('%s leaves it to the consensus', (_, extensions) => {
      limits = { enabled: true, ratePerSec: 1, burst: 2 }
      establish(circuit('service'), serviceKey, extensions)
      expect(passedOn(50)).toBe(1)
    })
  })
})

describe('rendezvous points', () => {
  const cookie = rng.bytes(20)
  const establish = (at: FakeCircuit, value = cookie): readonly HsAction<FakeCircuit>[] => send(at, RelayCommand.ESTABLISH_RENDEZVOUS, value)
  const handshake = rng.bytes(64)
  const rendezvous = (at: FakeCircuit, value = cookie): readonly HsAction<FakeCircuit>[] => send(at, RelayCommand.RENDEZVOUS1, encodeRendezvous1({ cookie: value, handshake }))

  test('a client waits, the service comes, and the two are joined', () => {
    expect(told(establish(circuit('client')))).toEqual(['client gets RENDEZVOUS_ESTABLISHED'])
    const actions = rendezvous(circuit('service'))
    expect(told(actions)).toEqual(['client gets RENDEZVOUS2', 'service is joined with client'])
    expect(must(actions[0], 'there are two')).toMatchObject({ data: handshake })
    expect(points.waitingCount).toBe(0)
  })

  test('a cookie is for one client and one service', () => {
    establish(circuit('client'))
    expect(told(establish(circuit('other')))).toEqual(closedForBreach('other'))
    rendezvous(circuit('service'))
    expect(told(rendezvous(circuit('late')))).toEqual(closedForBreach('late'))
  })

  test('a client that has gone, or whose circuit has gone on, is not waited for', () => {
    const client = circuit('client')
    establish(client)
    points.forget(client)
    expect(told(rendezvous(circuit('service')))).toEqual(closedForBreach('service'))
    const extended = circuit('extended')
    establish(extended)
    extended.endsHere = false
    expect(told(rendezvous(circuit('service')))).toEqual(closedForBreach('service'))
  })

  test('a circuit has one role', () => {
    const client = circuit('client')
    establish(client)
    expect(told(establish(client, rng.bytes(20)))).toEqual(closedForBreach('client'))
    expect(told(rendezvous(client))).toEqual(closedForBreach('client'))
    const service = circuit('service')
    rendezvous(service)
    expect(told(establish(service))).toEqual(closedForBreach('service'))
    expect(told(establish(circuit('long', { endsHere: false })))).toEqual(closedForBreach('long'))
  })

  test('extra bytes are ignored, missing ones are not', () => {
    expect(told(establish(circuit('client'), Uint8Array.of(...cookie, 1, 2, 3)))).toEqual(['client gets RENDEZVOUS_ESTABLISHED'])
    expect(told(establish(circuit('short'), cookie.subarray(1)))).toEqual(closedForBreach('short'))
    expect(told(rendezvous(circuit('service'), cookie))[1]).toBe('service is joined with client')
    expect(told(send(circuit('short'), RelayCommand.RENDEZVOUS1, cookie.subarray(1)))).toEqual(closedForBreach('short'))
  })

  test('clients of one hop get no answer where they are refused, services of one hop are let in', () => {
    refusesSingleHop = true
    expect(establish(circuit('client', { fromClient: true }))).toEqual([])
    expect(points.waitingCount).toBe(0)
    establish(circuit('client'))
    expect(told(rendezvous(circuit('service', { fromClient: true })))[1]).toBe('service is joined with client')
  })

  test('clients of one hop are let in where nobody objects', () => {
    expect(told(establish(circuit('client', { fromClient: true })))).toEqual(['client gets RENDEZVOUS_ESTABLISHED'])
  })
})

test('messages for others are let be', () => {
  for (const command of [RelayCommand.INTRODUCE2, RelayCommand.RENDEZVOUS2, RelayCommand.INTRODUCE_ACK, RelayCommand.INTRO_ESTABLISHED, 200]) {
    expect(send(circuit('any'), command, new Uint8Array(20))).toEqual([])
  }
})
