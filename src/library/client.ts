/** A client node as an application uses it: streams, names and HTTP through its SOCKS port. */

import type { Duplex } from 'node:stream'
import { RelishError } from '../core/base/errors.ts'
import type { RunningNetwork } from '../testnet/backend/backend.ts'
import { connectThroughSocks, resolveThroughSocks, type SocksOptions } from '../testnet/socks-client.ts'
import type { ClientOptions, NetworkClient, SocksEndpoint } from './api.ts'
import { Fetcher } from './client-fetch.ts'
import { connectTimeoutMs } from './limits.ts'
import { WorldDuplex, type During } from './world-duplex.ts'

export interface ClientParts {
  readonly network: RunningNetwork
  readonly during: During
  readonly name: string
  readonly options: ClientOptions
  /** Called with everything that has to be closed with the network. */
  readonly keep: (closable: { close(): unknown }) => () => void
}

export class LibraryClient implements NetworkClient {
  readonly name: string
  readonly #parts: ClientParts
  readonly #address: { readonly host: string; readonly port: number }
  #fetcher: Fetcher | undefined

  constructor(parts: ClientParts) {
    this.#parts = parts
    this.name = parts.name
    const { host, socksPort } = parts.network.placementOf(parts.name)
    if (socksPort === undefined) throw new RelishError('config', `${parts.name} is not a client: it has no SOCKS port`)
    this.#address = { host, port: socksPort }
  }

  get socks(): SocksEndpoint {
    if (this.#parts.network.world === 'simulated') throw new RelishError('unavailable', `${this.name} is part of a simulation: its SOCKS port is on no real network`, { hint: 'use connect or fetch, or another world' })
    const { host, port } = this.#address
    return { host, port, url: `socks5h://${host}:${port}` }
  }

  fetch(url: string | URL | Request, init?: RequestInit): Promise<Response> {
    if (this.#fetcher === undefined) {
      const { options, network } = this.#parts
      const fetcher = new Fetcher({ connect: (host, port) => this.connect(host, port), tls: options.tls, keepAlive: network.world !== 'simulated' })
      this.#parts.keep(fetcher)
      this.#fetcher = fetcher
    }
    return this.#parts.during(this.#fetcher.fetch(url, init))
  }

  async connect(host: string, port: number): Promise<Duplex> {
    const { network, during } = this.#parts
    const stream = await this.#inTime(connectThroughSocks(network.observer, this.#address, network.placement.observerHost, { host, port }, this.#socksOptions()), `${this.name} to reach ${host}:${port}`, (late) => late.destroy())
    const duplex = new WorldDuplex(stream, during, false)
    duplex.once('close', this.#parts.keep({ close: () => duplex.destroy() }))
    return duplex
  }

  resolve(name: string): Promise<string> {
    return this.#resolve('resolve', name)
  }

  reverse(address: string): Promise<string> {
    return this.#resolve('resolve-ptr', address)
  }

  isolated(word: string): NetworkClient {
    return new LibraryClient({ ...this.#parts, options: { ...this.#parts.options, isolate: word } })
  }

  #resolve(kind: 'resolve' | 'resolve-ptr', host: string): Promise<string> {
    const { network } = this.#parts
    return this.#inTime(resolveThroughSocks(network.observer, this.#address, network.placement.observerHost, kind, host, this.#socksOptions()), `${this.name} to look up ${host}`, () => undefined)
  }

  #socksOptions(): SocksOptions {
    const { isolate } = this.#parts.options
    return isolate === undefined ? {} : { username: isolate, password: isolate }
  }

  /** `tooLate` gets what comes when nobody waits for it any more. */
  #inTime<T>(work: Promise<T>, words: string, tooLate: (value: T) => void): Promise<T> {
    const { network, during, options } = this.#parts
    const timeoutMs = options.timeoutMs ?? connectTimeoutMs
    return during(
      new Promise((resolve, reject) => {
        let expired = false
        const cancel = network.clock.after(timeoutMs, () => {
          expired = true
          reject(new RelishError('timeout', `after ${timeoutMs / 1000} s still waiting for ${words}`))
        })
        work.then(
          (value) => {
            cancel()
            if (expired) tooLate(value)
            else resolve(value)
          },
          (error: unknown) => {
            cancel()
            reject(error)
          },
        )
      }),
    )
  }
}
