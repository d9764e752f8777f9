/**
 * Fuzzers of machines: a whole conversation is damaged and cut anywhere, time-outs come at odd moments, and commands of
 * the application in any order. A machine never throws: what a peer does wrong comes out as an output.
 */

import { utf8Encode } from '../../src/core/base/encoding.ts'
import { randomBelow, SeededRng, type Rng } from '../../src/core/base/rng.ts'
import { later, monotonicMs, seconds, wallFromSec } from '../../src/core/base/time.ts'
import { sha256 } from '../../src/core/crypto/hashes.ts'
import { ChannelMachine } from '../../src/core/proto/channel/channel-machine.ts'
import type { ChannelNow, ChannelOptions, ChannelOutput } from '../../src/core/proto/channel/channel-types.ts'
import { testRelay, type TestRelay } from '../support/relay-credentials.ts'
import type { Fuzzer } from './fuzzer.ts'
import { congestedStreamOperations, streamOperations } from './stream-operations.ts'

const wall = wallFromSec(1_800_000_000)
const start: ChannelNow = { monotonic: monotonicMs(0), wall }

interface Sides {
  readonly initiator: () => ChannelOptions
  readonly responder: () => ChannelOptions
}

/** Options that are the same each time: so is what the other side says, and a recorded conversation can be played again. */
function sides(alice: TestRelay, bob: TestRelay, authenticates: boolean): Sides {
  const common = (name: string): Omit<ChannelOptions, 'role'> => ({
    peerAddress: '10.0.0.1',
    myAddresses: ['10.0.0.2'],
    sendTimestamp: true,
    exportKeyingMaterial: (length, label, context) => sha256(utf8Encode(label), context).slice(0, length),
    rng: new SeededRng(`channel ${name}`),
  })
  return {
    initiator: () => ({
      ...common('alice'),
      role: {
        kind: 'initiator',
        expected: { rsaIdentity: bob.keys.rsaFingerprint },
        tlsCertificate: bob.credentials.tls.certificateDer,
        credentials: authenticates ? alice.credentials : undefined,
      },
    }),
    responder: () => ({ ...common('bob'), role: { kind: 'responder', credentials: bob.credentials } }),
  }
}

/** Everything each side says in a handshake that succeeds. */
function conversation({ initiator, responder }: Sides): { toInitiator: Uint8Array; toResponder: Uint8Array } {
  const machines = { initiator: new ChannelMachine(initiator(), start), responder: new ChannelMachine(responder(), start) }
  const said = { initiator: [] as Uint8Array[], responder: [] as Uint8Array[] }
  for (let quiet = 0; quiet < 2; ) {
    quiet++
    for (const [from, to] of [['initiator', 'responder'], ['responder', 'initiator']] as const) {
      for (const output of machines[from].takeOutputs()) {
        if (output.kind !== 'write') continue
        quiet = 0
        said[from].push(output.bytes)
        machines[to].handleBytes(start, output.bytes.slice())
      }
    }
  }
  return { toInitiator: new Uint8Array(Buffer.concat(said.responder)), toResponder: new Uint8Array(Buffer.concat(said.initiator)) }
}

/** Feeds `input` in random pieces, with a time-out now and then; the outputs. */
function play(machine: ChannelMachine, input: Uint8Array, rng: Rng): ChannelOutput[] {
  const outputs: ChannelOutput[] = [...machine.takeOutputs()]
  let now = start
  for (let at = 0; at < input.length; ) {
    const end = Math.min(input.length, at + 1 + randomBelow(rng, 2000))
    machine.handleBytes(now, input.slice(at, end))
    outputs.push(...machine.takeOutputs())
    if (randomBelow(rng, 50) === 0) now = { ...now, monotonic: later(now.monotonic, seconds(randomBelow(rng, 100))) }
    if (randomBelow(rng, 50) === 0) machine.handleTimeout(now)
    at = end
  }
  outputs.push(...machine.takeOutputs())
  const closes = outputs.filter((output) => output.kind === 'close').length
  if (closes > 1) throw new Error(`closed ${closes} times`)
  const closedAt = outputs.findIndex((output) => output.kind === 'close')
  if (closedAt >= 0 && closedAt !== outputs.length - 1) throw new Error('something came after the close')
  return outputs
}

function channelFuzzers(): Fuzzer[] {
  const alice = testRelay('alice', wall)
  const bob = testRelay('bob', wall)
  const base = { allowed: [], form: 'bytes', inputBytesMax: 16 * 1024, smokeCases: 150 } as const
  const relay = sides(alice, bob, true)
  const client = sides(alice, bob, false)
  return [
    { ...base, name: 'machine/channel-responder', corpus: () => [conversation(relay).toResponder, conversation(client).toResponder], run: (input, rng) => play(new ChannelMachine(relay.responder(), start), input, rng) },
    { ...base, name: 'machine/channel-initiator', corpus: () => [conversation(relay).toInitiator], run: (input, rng) => play(new ChannelMachine(relay.initiator(), start), input, rng) },
  ]
}

export const machineFuzzers: readonly Fuzzer[] = [...channelFuzzers(), streamOperations, congestedStreamOperations]
