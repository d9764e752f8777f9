/**
 * Tests whether relays can be reached: a real link handshake with the OR port, proving the relay's identities (dir-spec
 * §3.4.2, Running). Each test dials anew, since a link that the relay opened to us shows nothing.
 */

import { durationMs, later, monotonicMs, type DurationMs, type MonotonicMs } from '../core/base/time.ts'
import type { ServerDescriptor } from '../core/netdoc/server-descriptor.ts'
import type { Runtime, SocketAddress, Timer } from '../runtime/index.ts'
import { REACHABILITY_CYCLE, REACHABILITY_RETRY_FIRST, REACHABILITY_TEST_TIMEOUT, REACHABILITY_TESTS_MAX } from './authority-limits.ts'
import type { ChannelTarget } from './channel.ts'

/** Dials a relay, whatever links there are to it. Calls back once, later. */
export type LinkTest = (target: ChannelTarget, onOutcome: (reached: boolean) => void) => { cancel(): void }

export interface ReachabilityOptions {
  readonly runtime: Runtime
  readonly testLink: LinkTest
  /** Whether to test IPv6 addresses: `AuthDirHasIPv6Connectivity`. */
  readonly testIpv6: () => boolean
  /** `AuthDirTestEd25519LinkKeys`. */
  readonly requireEd25519: () => boolean
  readonly onReached: (fingerprint: string, address: SocketAddress) => void
}

interface Subject {
  descriptor: ServerDescriptor
  /** When the next test is due. */
  dueAt: MonotonicMs
  retryMs: number
  running: { cancel(): void }[]
}

export class ReachabilityTester {
  readonly #options: ReachabilityOptions
  readonly #subjects = new Map<string, Subject>()
  #testsRunning = 0
  #timer: Timer | undefined
  #timerAt: MonotonicMs = monotonicMs(0)
  #stopped = false

  constructor(options: ReachabilityOptions) {
    this.#options = options
  }

  /** Tests a relay now, or `after` so long, and then in every cycle. A new descriptor replaces the one before. */
  watch(descriptor: ServerDescriptor, after: DurationMs = durationMs(0)): void {
    const dueAt = later(this.#options.runtime.monotonicNow(), after)
    const subject = this.#subjects.get(descriptor.fingerprint)
    if (subject === undefined) {
      this.#subjects.set(descriptor.fingerprint, { descriptor, dueAt, retryMs: REACHABILITY_RETRY_FIRST, running: [] })
    } else {
      subject.descriptor = descriptor
      subject.dueAt = dueAt
      subject.retryMs = REACHABILITY_RETRY_FIRST
    }
    this.#schedule(dueAt)
  }

  /** Takes a descriptor over without a test of its own: its addresses are those tested before. */
  update(descriptor: ServerDescriptor): void {
    const subject = this.#subjects.get(descriptor.fingerprint)
    if (subject === undefined) this.watch(descriptor)
    else subject.descriptor = descriptor
  }

  forget(fingerprint: string): void {
    const subject = this.#subjects.get(fingerprint)
    if (subject === undefined) return
    for (const test of subject.running) test.cancel()
    this.#testsRunning -= subject.running.length
    this.#subjects.delete(fingerprint)
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    for (const fingerprint of [...this.#subjects.keys()]) this.forget(fingerprint)
  }

  #schedule(at: MonotonicMs): void {
    if (this.#stopped || (this.#timer !== undefined && this.#timerAt <= at)) return
    this.#timer?.cancel()
    this.#timerAt = at
    const delay = durationMs(Math.max(0, at - this.#options.runtime.monotonicNow()))
    this.#timer = this.#options.runtime.setTimer(delay, () => {
      this.#timer = undefined
      this.#runDue()
    })
  }

  #runDue(): void {
    const now = this.#options.runtime.monotonicNow()
    for (const subject of this.#subjects.values()) {
      if (this.#testsRunning >= REACHABILITY_TESTS_MAX) break
      if (subject.dueAt <= now && subject.running.length === 0) this.#test(subject, now)
    }
    // What is due and found no room is started as soon as a test ends.
    const due = [...this.#subjects.values()].filter((subject) => subject.running.length === 0 && subject.dueAt > now).map((subject) => subject.dueAt)
    if (due.length > 0) this.#schedule(monotonicMs(due.reduce((a, b) => Math.min(a, b), Infinity)))
  }

  #test(subject: Subject, now: MonotonicMs): void {
    const { descriptor } = subject
    subject.dueAt = later(now, REACHABILITY_CYCLE)
    const ipv6 = this.#options.testIpv6() ? descriptor.orAddresses.find((address) => address.host.includes(':')) : undefined
    const addresses: SocketAddress[] = [{ host: descriptor.address, port: descriptor.orPort }, ...(ipv6 === undefined ? [] : [ipv6])]
    for (const address of addresses) {
      const target: ChannelTarget = {
        rsaIdentity: descriptor.rsaIdentity,
        ...(this.#options.requireEd25519() ? { ed25519Identity: descriptor.ed25519Identity } : {}),
        addresses: [address],
      }
      this.#testsRunning++
      let giveUp: Timer | undefined
      const finish = (reached: boolean): void => {
        giveUp?.cancel()
        const at = subject.running.indexOf(test)
        if (at < 0) return
        subject.running.splice(at, 1)
        this.#testsRunning--
        this.#finished(subject, address, reached)
      }
      const link = this.#options.testLink(target, finish)
      const test = {
        cancel: (): void => {
          giveUp?.cancel()
          link.cancel()
        },
      }
      subject.running.push(test)
      giveUp = this.#options.runtime.setTimer(REACHABILITY_TEST_TIMEOUT, () => {
        link.cancel()
        finish(false)
      })
    }
  }

  #finished(subject: Subject, address: SocketAddress, reached: boolean): void {
    const { runtime } = this.#options
    const now = runtime.monotonicNow()
    if (reached) {
      subject.retryMs = REACHABILITY_RETRY_FIRST
      this.#options.onReached(subject.descriptor.fingerprint, address)
    } else {
      runtime.log.write('info', 'dirserv', `Router ${subject.descriptor.nickname} is not reachable at ${address.host}:${address.port}`)
      subject.dueAt = monotonicMs(Math.min(subject.dueAt, now + subject.retryMs))
      subject.retryMs = Math.min(subject.retryMs * 2, REACHABILITY_CYCLE)
    }
    this.#schedule(this.#testsRunning === REACHABILITY_TESTS_MAX - 1 ? now : subject.dueAt)
  }
}
