/**
 * What a relay does for onion services on circuits that end at it: introduction points and rendezvous points
 * (rend-spec-v3 §3 and §4). A message comes in with its circuit, actions come out; sending, closing and joining is the
 * driver's. The directory's part is elsewhere.
 *
 * A circuit has one role for its life: none yet, introduction point of a service, rendezvous point of a client that
 * waits, or one half of a rendezvous. Each role holds one entry here, so that the number of circuits bounds the tables.
 */

import { hexEncode } from '../base/encoding.ts'
import { asRelishError, protocolError, type RelishError } from '../base/errors.ts'
import type { MonotonicMs } from '../base/time.ts'
import { DestroyReason, RelayCommand } from '../cell/commands.ts'
import {
  decodeEstablishIntro,
  decodeEstablishRendezvous,
  decodeIntroduce,
  decodeRendezvous1,
  encodeIntroduceAck,
  encodeIntroEstablished,
  IntroduceStatus,
} from '../cell/hs-messages.ts'
import type { RelayMessage } from '../cell/relay-cell.ts'
import { verifyEstablishIntro } from './establish-intro.ts'
import { IntroDosDefence, limitsOfExtensions, type IntroDosLimits } from './intro-dos-defence.ts'
import { INTRODUCE1_BYTES_MAX } from './limits.ts'

/** A circuit as this sees it. */
export interface HsCircuit {
  /** It has not been extended from here. */
  readonly endsHere: boolean
  /** It comes straight from a client: nobody in between has hidden who that is. */
  readonly fromClient: boolean
  /** KH, 20 bytes (tor-spec §5.2). */
  readonly circuitNonce: Uint8Array
}

export type HsAction<C> =
  | { readonly kind: 'send'; readonly circuit: C; readonly command: RelayCommand; readonly data: Uint8Array }
  /** `error` says what the other side did wrong, if anything. */
  | { readonly kind: 'close'; readonly circuit: C; readonly reason: DestroyReason; readonly error?: RelishError }
  /** From now on, what comes along one of them and is not for this relay goes back along the other. */
  | { readonly kind: 'join'; readonly circuits: readonly [C, C] }

export interface HsRelayPolicy {
  /** `HiddenServiceEnableIntroDoSDefense` and its rates, as the consensus has them now. */
  introDosLimits(): IntroDosLimits
  /** `DoSRefuseSingleHopClientRendezvous`. */
  refusesSingleHopRendezvous(): boolean
}

type Role =
  | { readonly kind: 'introduction'; readonly key: string; readonly defence: IntroDosDefence }
  | { readonly kind: 'waiting'; readonly cookie: string }
  | { readonly kind: 'joined' }

export class HsRelayPoints<C extends HsCircuit> {
  readonly #policy: HsRelayPolicy
  readonly #roles = new Map<C, Role>()
  /** By introduction key, in hexadecimal. */
  readonly #introductions = new Map<string, C>()
  /** By cookie. */
  readonly #waiting = new Map<string, C>()
  /** Clients that have introduced themselves: once a circuit. */
  readonly #introduced = new WeakSet<C>()

  constructor(policy: HsRelayPolicy) {
    this.#policy = policy
  }

  get introductionCount(): number {
    return this.#introductions.size
  }

  get waitingCount(): number {
    return this.#waiting.size
  }

  /** What to do about a message that this relay itself was sent. Messages that are not about onion services need nothing. */
  handle(now: MonotonicMs, circuit: C, message: RelayMessage): readonly HsAction<C>[] {
    try {
      switch (message.command) {
        case RelayCommand.ESTABLISH_INTRO:
          return this.#establishIntro(now, circuit, message.data)
        case RelayCommand.INTRODUCE1:
          return this.#introduce(now, circuit, message.data)
        case RelayCommand.ESTABLISH_RENDEZVOUS:
          return this.#establishRendezvous(circuit, message.data)
        case RelayCommand.RENDEZVOUS1:
          return this.#rendezvous(circuit, message.data)
        default:
          return []
      }
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind !== 'protocol') throw error
      return [{ kind: 'close', circuit, reason: DestroyReason.PROTOCOL, error }]
    }
  }

  /** The circuit is gone. */
  forget(circuit: C): void {
    const role = this.#roles.get(circuit)
    this.#roles.delete(circuit)
    if (role?.kind === 'introduction' && this.#introductions.get(role.key) === circuit) this.#introductions.delete(role.key)
    if (role?.kind === 'waiting' && this.#waiting.get(role.cookie) === circuit) this.#waiting.delete(role.cookie)
  }

  // Introduction points

  #establishIntro(now: MonotonicMs, circuit: C, data: Uint8Array): HsAction<C>[] {
    this.#requireFree(circuit, 'ESTABLISH_INTRO')
    const message = decodeEstablishIntro(data)
    verifyEstablishIntro(message, circuit.circuitNonce)
    const key = hexEncode(message.authKey)
    const actions: HsAction<C>[] = []
    // SPEC-DIFF: rend-spec-v3 §3.1.1 refuses a key that is in use; C tor lets the newer circuit take over, so that a service comes back at once.
    const previous = this.#introductions.get(key)
    if (previous !== undefined) {
      this.forget(previous)
      actions.push({ kind: 'close', circuit: previous, reason: DestroyReason.FINISHED })
    }
    const defence = new IntroDosDefence(now, limitsOfExtensions(message.extensions), () => this.#policy.introDosLimits())
    this.#roles.set(circuit, { kind: 'introduction', key, defence })
    this.#introductions.set(key, circuit)
    actions.push({ kind: 'send', circuit, command: RelayCommand.INTRO_ESTABLISHED, data: encodeIntroEstablished({ extensions: [] }) })
    return actions
  }

  #introduce(now: MonotonicMs, circuit: C, data: Uint8Array): HsAction<C>[] {
    this.#requireFree(circuit, 'INTRODUCE1')
    // C tor: one introduction a circuit, so that hammering a service costs a circuit each time.
    if (this.#introduced.has(circuit)) throw protocolError('a second INTRODUCE1 on one circuit')
    if (circuit.fromClient) throw protocolError('INTRODUCE1 from a client with one hop')
    this.#introduced.add(circuit)
    const answer = (status: IntroduceStatus): HsAction<C> => ({ kind: 'send', circuit, command: RelayCommand.INTRODUCE_ACK, data: encodeIntroduceAck({ status, extensions: [] }) })
    const key = introductionKeyOf(data)
    if (key === undefined) return [answer(IntroduceStatus.BAD_FORMAT)]
    const service = this.#introductions.get(key)
    const role = service === undefined ? undefined : this.#roles.get(service)
    // C tor says UNKNOWN_ID, too, when it has had enough of them: the client tries another introduction point.
    if (service === undefined || role?.kind !== 'introduction' || !role.defence.allow(now)) return [answer(IntroduceStatus.UNKNOWN_ID)]
    // rend-spec-v3 §3.2.1: exactly the same contents.
    return [{ kind: 'send', circuit: service, command: RelayCommand.INTRODUCE2, data }, answer(IntroduceStatus.SUCCESS)]
  }

  // Rendezvous points

  #establishRendezvous(circuit: C, data: Uint8Array): HsAction<C>[] {
    if (this.#roles.has(circuit)) throw protocolError('ESTABLISH_RENDEZVOUS on a circuit that has its role')
    // C tor says nothing, so that the client waits before it tries another relay.
    if (circuit.fromClient && this.#policy.refusesSingleHopRendezvous()) return []
    this.#requireFree(circuit, 'ESTABLISH_RENDEZVOUS')
    const cookie = hexEncode(decodeEstablishRendezvous(data).cookie)
    // rend-spec-v3 §4.1: a cookie in use is refused, and the circuit destroyed.
    if (this.#waiting.has(cookie)) throw protocolError('ESTABLISH_RENDEZVOUS with a cookie that is in use')
    this.#roles.set(circuit, { kind: 'waiting', cookie })
    this.#waiting.set(cookie, circuit)
    return [{ kind: 'send', circuit, command: RelayCommand.RENDEZVOUS_ESTABLISHED, data: new Uint8Array(0) }]
  }

  #rendezvous(circuit: C, data: Uint8Array): HsAction<C>[] {
    this.#requireFree(circuit, 'RENDEZVOUS1')
    const { cookie, handshake } = decodeRendezvous1(data)
    const key = hexEncode(cookie)
    const client = this.#waiting.get(key)
    // The client may have given up a moment ago; C tor destroys the circuit all the same.
    if (client === undefined || !client.endsHere) throw protocolError('RENDEZVOUS1 with a cookie that nobody waits for')
    this.#waiting.delete(key)
    this.#roles.set(client, { kind: 'joined' })
    this.#roles.set(circuit, { kind: 'joined' })
    return [
      { kind: 'send', circuit: client, command: RelayCommand.RENDEZVOUS2, data: handshake },
      { kind: 'join', circuits: [circuit, client] },
    ]
  }

  /** rend-spec-v3 §3.1.1, §4.1: only a circuit that ends here, and has no role yet, may take one. */
  #requireFree(circuit: C, what: string): void {
    if (this.#roles.has(circuit)) throw protocolError(`${what} on a circuit that has its role`)
    if (!circuit.endsHere) throw protocolError(`${what} on a circuit that goes on`)
  }
}

/** The key of the service that is meant; undefined for what is malformed. */
function introductionKeyOf(data: Uint8Array): string | undefined {
  // C tor destroys the circuit for what cannot even hold a legacy key.
  if (data.length < 20) throw protocolError(`INTRODUCE1 of ${data.length} bytes`)
  if (data.length > INTRODUCE1_BYTES_MAX) return undefined
  try {
    return hexEncode(decodeIntroduce(data).authKey)
  } catch (thrown) {
    const error = asRelishError(thrown)
    if (error.kind !== 'protocol') throw error
    return undefined
  }
}
