/** A network of whole nodes in virtual time, authorities above all, for tests of voting. */

import { latin1Encode } from '../../src/core/base/encoding.ts'
import { SeededRng } from '../../src/core/base/rng.ts'
import { days, later, seconds, wallMs, type WallMs } from '../../src/core/base/time.ts'
import { loadOrCreateRelayKeys, type RelayKeys } from '../../src/core/cert/relay-keys.ts'
import { RelishError } from '../../src/core/base/errors.ts'
import { rsaKeyFromRng } from '../../src/core/crypto/rsa-seeded.ts'
import { formatFingerprint } from '../../src/core/ident/fingerprint.ts'
import { keyFilePaths } from '../../src/core/ident/key-files.ts'
import { signAuthorityCertificate } from '../../src/core/netdoc/authority-certificate.ts'
import { parseConsensus, type ConsensusUnverified } from '../../src/core/netdoc/consensus.ts'
import { parseVote, type VoteUnverified } from '../../src/core/netdoc/vote.ts'
import { buildConfig } from '../../src/core/torrc/config.ts'
import { parseConfigText } from '../../src/core/torrc/config-line.ts'
import { createNode } from '../../src/node/create-node.ts'
import type { Node } from '../../src/node/node.ts'
import type { NodeEvent } from '../../src/runtime/events.ts'
import type { SimMachine } from '../../src/sim/sim-machine.ts'
import { Simulation, type SimulationLogLine } from '../../src/sim/simulation.ts'

export interface WorldOptions {
  readonly seed: string
  readonly authorities: number
  readonly relays: number
  /** More torrc lines for authority or relay i. */
  readonly authorityLines?: (i: number) => string
  readonly relayLines?: (i: number) => string
  readonly start?: WallMs
}

export class AuthorityWorld {
  readonly simulation: Simulation
  readonly logs: SimulationLogLine[] = []
  readonly events = new Map<string, NodeEvent[]>()
  readonly #machines = new Map<string, SimMachine>()
  readonly #nodes = new Map<string, Node>()
  readonly #torrcs = new Map<string, string>()
  readonly keys = new Map<string, RelayKeys>()

  constructor(options: WorldOptions) {
    const start = options.start ?? wallMs(Date.UTC(2026, 0, 1))
    this.simulation = new Simulation({ seed: options.seed, start, logEnabled: (level) => level !== 'debug', logSink: (line) => this.logs.push(line) })
    const rng = new SeededRng(options.seed)
    const names = [...this.#numbered('auth', options.authorities), ...this.#numbered('relay', options.relays)]
    names.forEach((name, i) => this.#machines.set(name, this.simulation.addMachine({ name, addresses: [`10.${i + 1}.0.1`] })))
    const directory: string[] = []
    for (let i = 0; i < options.authorities; i++) {
      const machine = this.machine(`auth${i}`)
      const [identityKey, signingKey] = [rsaKeyFromRng(rng, 1024), rsaKeyFromRng(rng, 1024)]
      const certificate = signAuthorityCertificate({ published: later(start, days(-1)), expires: later(start, days(300)) }, identityKey, signingKey)
      machine.files.write(keyFilePaths.authoritySigning, latin1Encode(signingKey.toPem()))
      machine.files.write(keyFilePaths.authorityCertificate, latin1Encode(certificate.text))
      const keys = this.#relayKeys(machine, start, rng)
      const address = machine.addresses[0] ?? ''
      directory.push(`DirAuthority auth${i} orport=5000 v3ident=${certificate.identityFingerprint} ${address}:7000 ${formatFingerprint(keys.rsaFingerprint)}`)
    }
    names.forEach((name, i) => {
      const authority = i < options.authorities
      const own = authority ? (options.authorityLines?.(i) ?? '') : (options.relayLines?.(i - options.authorities) ?? '')
      this.#torrcs.set(
        name,
        [
          'TestingTorNetwork 1', 'DataDirectory d', `Nickname ${name}`, 'ContactInfo x@example.com', `Address 10.${i + 1}.0.1`, `ORPort 10.${i + 1}.0.1:5000`, 'SocksPort 0', 'AssumeReachable 1', 'TestingLinkKeyType p256',
          ...directory,
          ...(authority
            ? ['AuthoritativeDirectory 1', 'V3AuthoritativeDirectory 1', `DirPort 10.${i + 1}.0.1:7000`, 'TestingDirAuthVoteExit *', 'TestingDirAuthVoteGuard *', 'TestingDirAuthVoteHSDir *',
               'V3AuthVotingInterval 20', 'V3AuthVoteDelay 4', 'V3AuthDistDelay 4', 'TestingV3AuthInitialVotingInterval 20', 'TestingV3AuthInitialVoteDelay 4', 'TestingV3AuthInitialDistDelay 4']
            : []),
          own,
        ].join('\n'),
      )
    })
  }

  #numbered(kind: string, count: number): string[] {
    return Array.from({ length: count }, (_, i) => `${kind}${i}`)
  }

  #relayKeys(machine: SimMachine, now: WallMs, rng: SeededRng): RelayKeys {
    let made: RelayKeys | undefined
    loadOrCreateRelayKeys(
      machine.files,
      { nickname: machine.name, now, rng, generateRsaKey: (bits, onKey) => onKey(rsaKeyFromRng(rng, bits)) },
      (result) => {
        if (result instanceof RelishError) throw result
        made = result
      },
    )
    if (made === undefined) throw new Error('no keys')
    this.keys.set(machine.name, made)
    return made
  }

  get names(): readonly string[] {
    return [...this.#machines.keys()]
  }

  get authorities(): readonly string[] {
    return this.names.filter((name) => name.startsWith('auth'))
  }

  machine(name: string): SimMachine {
    const machine = this.#machines.get(name)
    if (machine === undefined) throw new Error(`no machine ${name}`)
    return machine
  }

  start(...names: readonly string[]): void {
    for (const name of names.length === 0 ? this.names : names) {
      const runtime = this.machine(name).boot()
      const { options } = buildConfig([parseConfigText(this.#torrcs.get(name) ?? '', name)])
      const events: NodeEvent[] = this.events.get(name) ?? []
      this.events.set(name, events)
      const node = createNode(runtime, options, { onEvent: (event) => events.push(event) })
      this.#nodes.set(name, node)
      node.start()
    }
  }

  crash(name: string): void {
    this.machine(name).crash()
    this.#nodes.delete(name)
  }

  command(name: string, command: Parameters<Node['handleCommand']>[0]): unknown {
    let answer: unknown
    this.#nodes.get(name)?.handleCommand(command, (reply) => {
      if (!reply.ok) throw new Error(reply.error)
      answer = reply.result
    })
    return answer
  }

  /** The consensus a node holds. */
  consensus(name: string, flavour: 'ns' | 'microdesc' = 'ns'): ConsensusUnverified | undefined {
    try {
      return parseConsensus(this.command(name, { command: 'document', name: flavour === 'ns' ? 'consensus' : 'consensus-microdesc' }) as string)
    } catch {
      return undefined
    }
  }

  votes(name: string): VoteUnverified[] {
    const text = this.command(name, { command: 'document', name: 'votes' }) as string
    return text.split(/^(?=network-status-version 3)/m).map(parseVote)
  }

  /** Runs until all of these nodes hold a consensus with this property. */
  runUntilAgreed(names: readonly string[], property: (consensus: ConsensusUnverified) => boolean, limitSec: number): boolean {
    const held = (name: string): boolean => {
      const consensus = this.consensus(name)
      return consensus !== undefined && property(consensus)
    }
    for (let second = 0; second < limitSec; second++) {
      this.simulation.runFor(seconds(1))
      if (names.every(held)) return true
    }
    return false
  }

  warnings(): string[] {
    return this.logs.filter((line) => line.level === 'warn' || line.level === 'error').map((line) => `${line.node}: ${line.message}`)
  }
}
