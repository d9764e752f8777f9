/**
 * The other authorities: sends each of them votes and signatures, again until it takes them, and asks them for what did
 * not arrive. What the documents say is `authority.ts`'s affair.
 */

import { hexEncodeUpper, latin1Decode, latin1Encode } from '../core/base/encoding.ts'
import { durationMs } from '../core/base/time.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import type { Runtime, Timer } from '../runtime/index.ts'
import { PEER_ABSENT_AFTER, PEER_REQUEST_TIMEOUT, PEER_RETRY_FIRST, PEER_RETRY_MAX, PEER_UPLOADS_MAX } from './authority-limits.ts'
import { authorityTarget, type DirSources } from './dir-sources.ts'
import type { DirRequest, DirResponse, DirTarget } from './dir-transport.ts'

/** An authority of the network, from a `DirAuthority` line with `v3ident=`. */
export interface AuthorityPeer {
  readonly name: string
  /** v3 identity, upper-case hex. */
  readonly identityFingerprint: string
  /** Relay identity, upper-case hex. */
  readonly fingerprint: string
  readonly voteTarget: DirTarget
  readonly target: DirTarget
}

/** The authorities that vote. */
export function votingAuthorities(options: TorOptions): AuthorityPeer[] {
  return options.DirAuthority.flatMap((line) => {
    if (line.v3Identity === undefined) return []
    const target = authorityTarget(line, 'download')
    const identityFingerprint = hexEncodeUpper(line.v3Identity)
    return [{ name: target.name, identityFingerprint, fingerprint: target.fingerprint, target, voteTarget: authorityTarget(line, 'vote') }]
  })
}

/** Something to bring to an authority. */
interface Upload {
  readonly path: string
  readonly body: string
  readonly what: string
  /** Whether it is still worth sending. */
  readonly isCurrent: () => boolean
  /** Told once when a peer that has answered before does not, however often it is tried. */
  readonly onAbsent: (peer: AuthorityPeer) => void
  readonly failures: number
  readonly delayMs: number
}

export class AuthorityPeers {
  readonly #runtime: Runtime
  readonly #sources: DirSources
  readonly #peers: readonly AuthorityPeer[]
  readonly #exchanges = new Set<{ cancel(): void }>()
  readonly #retries = new Set<Timer>()
  /** Those that have answered before. */
  readonly #known = new Set<AuthorityPeer>()
  #waitingUploads = 0
  #stopped = false

  /** `peers`: all but ourselves. */
  constructor(runtime: Runtime, sources: DirSources, peers: readonly AuthorityPeer[]) {
    this.#runtime = runtime
    this.#sources = sources
    this.#peers = peers
  }

  /** Uploads to every peer; those that cannot be reached are tried again while `isCurrent`. */
  upload(path: string, body: string, what: string, isCurrent: () => boolean, onAbsent: (peer: AuthorityPeer) => void = () => undefined): void {
    for (const peer of this.#peers) this.#send(peer, { path, body, what, isCurrent, onAbsent, failures: 0, delayMs: PEER_RETRY_FIRST })
  }

  /** Asks every peer. `onText` gets each answer that has a document. */
  fetchFromAll(path: string, onText: (text: string, peer: AuthorityPeer) => void): void {
    for (const peer of this.#peers) this.fetch(peer, path, onText)
  }

  fetch(peer: AuthorityPeer, path: string, onText: (text: string, peer: AuthorityPeer) => void): void {
    this.#exchange(peer.target, { method: 'GET', target: path, timeout: PEER_REQUEST_TIMEOUT }, (response) => {
      if (response !== undefined && response.status === 200) onText(latin1Decode(response.body), peer)
    })
  }

  stop(): void {
    this.#stopped = true
    for (const timer of this.#retries) timer.cancel()
    this.#retries.clear()
    for (const exchange of [...this.#exchanges]) exchange.cancel()
    this.#exchanges.clear()
  }

  #send(peer: AuthorityPeer, upload: Upload): void {
    if (this.#stopped || !upload.isCurrent()) return
    const request = { method: 'POST', target: upload.path, body: latin1Encode(upload.body), timeout: PEER_REQUEST_TIMEOUT } as const
    this.#exchange(peer.voteTarget, request, (response) => {
      if (response === undefined) {
        const failures = upload.failures + 1
        // One that has never answered may be about to start.
        if (failures === PEER_ABSENT_AFTER && this.#known.has(peer) && upload.isCurrent()) upload.onAbsent(peer)
        this.#sendLater(peer, { ...upload, failures })
        return
      }
      this.#known.add(peer)
      if (response.status !== 200) {
        this.#runtime.log.write('info', 'dir', `${peer.name} did not take our ${upload.what}: ${response.status} ${response.reason}`)
      }
    })
  }

  #sendLater(peer: AuthorityPeer, upload: Upload): void {
    if (this.#stopped || !upload.isCurrent()) return
    if (this.#waitingUploads >= PEER_UPLOADS_MAX * this.#peers.length) return
    this.#waitingUploads++
    const timer = this.#runtime.setTimer(durationMs(upload.delayMs), () => {
      this.#retries.delete(timer)
      this.#waitingUploads--
      this.#send(peer, { ...upload, delayMs: Math.min(upload.delayMs * 2, PEER_RETRY_MAX) })
    })
    this.#retries.add(timer)
  }

  #exchange(target: DirTarget, request: DirRequest, onOutcome: (response: DirResponse | undefined) => void): void {
    if (this.#stopped) return
    const exchange = this.#sources.direct(target).transport.send(target, request, {
      onResponse: (response) => {
        this.#exchanges.delete(exchange)
        onOutcome(response)
      },
      onFailed: () => {
        this.#exchanges.delete(exchange)
        onOutcome(undefined)
      },
    })
    this.#exchanges.add(exchange)
  }
}
