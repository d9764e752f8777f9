/** The Runtime on Node.js: real sockets, clocks, files and randomness. */

import { generateKeyPairSync, randomFillSync, sign } from 'node:crypto'
import { RelishError, asRelishError } from '../core/base/errors.ts'
import { SeededRng, type Rng } from '../core/base/rng.ts'
import { durationMs, wallMs } from '../core/base/time.ts'
import type { Log, TlsKey } from '../runtime/index.ts'
import { HostFiles } from './host-files.ts'
import { HostNetwork } from './host-network.ts'
import type { HostOptions, HostRuntime } from './host-options.ts'
import { HostResolver } from './host-resolver.ts'
import { HostTimers } from './host-timers.ts'
import { systemRngPoolBytes } from './limits.ts'
import { monotonicNow } from './monotonic-clock.ts'
import { makeRsaKey } from './rsa-key.ts'

const silentLog: Log = Object.freeze({ enabled: () => false, write: () => undefined })

export function createHostRuntime(options: HostOptions): HostRuntime {
  let closed = false
  const guard = (work: () => void): void => {
    if (closed) return
    try {
      work()
    } catch (thrown) {
      options.onBug(asRelishError(thrown))
    }
  }
  const timers = new HostTimers(guard)
  const network = new HostNetwork({ guard, inheritedListeners: options.inheritedListeners ?? new Map() })
  const seed = options.dangerouslySeededFrom
  const streams = new Map<string, Rng>()
  const systemRng = new SystemRng()
  const clockOffset = options.clockOffset ?? durationMs(0)
  return {
    monotonicNow,
    wallNow: () => wallMs(Date.now() + clockOffset),
    setTimer: (delay, callback) => timers.set(delay, callback),
    rng: (purpose) => {
      if (seed === undefined) return systemRng
      const known = streams.get(purpose)
      if (known !== undefined) return known
      const made = new SeededRng(`${seed}/${purpose}`)
      streams.set(purpose, made)
      return made
    },
    network,
    resolver: new HostResolver(guard, options.resolvConfFile, options.resolverHosts),
    files: new HostFiles(options.dataDirectory),
    log: options.log ?? silentLog,
    trace: options.trace,
    generateRsaKey: (bits, onKey) => {
      makeRsaKey(bits, systemRng, (made) => {
        guard(() => {
          if (made instanceof RelishError) throw made
          onKey(made)
        })
      })
    },
    generateTlsKey,
    variesByPlatform: true,
    close: () => {
      closed = true
      timers.cancelAll()
      network.closeAll()
    },
  }
}

/**
 * The operating system's randomness; every purpose shares it. Fetched some at a time, since most draws are of a few bytes
 * and a call into OpenSSL costs the same for many. What was handed out is wiped here.
 */
export class SystemRng implements Rng {
  readonly #pool = new Uint8Array(systemRngPoolBytes)
  #at = systemRngPoolBytes

  bytes(length: number): Uint8Array {
    if (length > systemRngPoolBytes / 4) return randomFillSync(new Uint8Array(length))
    if (this.#at + length > systemRngPoolBytes) {
      randomFillSync(this.#pool)
      this.#at = 0
    }
    const out = this.#pool.slice(this.#at, this.#at + length)
    this.#pool.fill(0, this.#at, this.#at + length)
    this.#at += length
    return out
  }

  derive(): Rng {
    return this
  }
}

function generateTlsKey(): TlsKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  return {
    privateKeyDer: new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' })),
    publicKeyDer: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })),
    sign: (data) => new Uint8Array(sign('sha256', data, privateKey)),
  }
}
