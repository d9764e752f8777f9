/**
 * The control port: listeners, the authentication cookie, and the connections of controllers (control-spec). What they
 * may ask is in `control-connection.ts` and `control-info.ts`; what they are told unasked, in `control-events.ts`.
 */

import { asRelishError, RelishError } from '../core/base/errors.ts'
import { utf8Encode } from '../core/base/encoding.ts'
import type { MonotonicMs } from '../core/base/time.ts'
import { COOKIE_BYTES, type ControlSecrets } from '../core/control/authentication.ts'
import { controllersMax } from '../core/control/limits.ts'
import { formatAddressPort } from '../core/ident/address.ts'
import { buildConfig, type TorConfig } from '../core/torrc/config.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import { diffConfig } from '../core/torrc/reload.ts'
import type { NodeEvent } from '../runtime/events.ts'
import type { ByteStream, Listener, ListenHandlers, Runtime, SocketAddress } from '../runtime/index.ts'
import { ControlConnection, type ControlContext } from './control-connection.ts'
import { ControlEvents, controlEventNames } from './control-events.ts'
import type { ControlledNode } from './controlled-node.ts'
import type { NewsBoard } from './node-news.ts'
import type { NodeOwner } from './node.ts'

export interface ControlPortParts {
  readonly runtime: Runtime
  readonly options: TorOptions
  readonly owner: NodeOwner
  readonly node: ControlledNode
  readonly news: NewsBoard
  readonly onEvent: (event: NodeEvent) => void
  /** A listener could not be bound. C tor does not start then. */
  readonly onListenError: (error: RelishError) => void
}

/** Whether the options ask for a control port at all. */
export const wantsControlPort = (options: TorOptions): boolean => options.ControlPort.length + options.ControlSocket.length > 0

const cookieFileName = 'control_auth_cookie'

export class ControlPort implements ControlContext {
  readonly runtime: Runtime
  readonly owner: NodeOwner
  readonly node: ControlledNode
  readonly events: ControlEvents
  readonly startedAt: MonotonicMs
  readonly #parts: ControlPortParts
  readonly #listeners: Listener[] = []
  readonly #connections = new Set<ControlConnection>()
  /** Used where no owner holds the configuration. */
  #ownConfig: TorConfig | undefined
  #options: TorOptions
  #lastConfig: TorConfig
  #cookie: Uint8Array | undefined
  #stopped = false

  constructor(parts: ControlPortParts) {
    this.#parts = parts
    this.runtime = parts.runtime
    this.owner = parts.owner
    this.node = parts.node
    this.#options = parts.options
    this.startedAt = parts.runtime.monotonicNow()
    this.#lastConfig = this.config()
    this.events = new ControlEvents({ runtime: parts.runtime, owner: parts.owner, node: parts.node, news: parts.news, connections: () => this.#connections })
  }

  /** Writes the cookie, then opens the listeners. */
  start(): void {
    try {
      this.#prepareCookie()
    } catch (thrown) {
      this.#parts.onListenError(asRelishError(thrown).within('authentication cookie of the control port'))
      return
    }
    for (const port of this.#options.ControlPort) {
      if (port.unixPath !== undefined) this.#listenUnix(port.unixPath)
      else this.#listen({ host: port.host ?? '127.0.0.1', port: port.port })
    }
    for (const socket of this.#options.ControlSocket) this.#listenUnix(socket.path)
  }

  config(): TorConfig {
    const { config } = this.owner
    if (config !== undefined) return config.current()
    this.#ownConfig ??= buildConfig([])
    return this.#ownConfig
  }

  secrets(): ControlSecrets {
    const { HashedControlPassword, __HashedControlSessionPassword, CookieAuthentication } = this.#options
    return {
      cookie: CookieAuthentication ? this.#cookie : undefined,
      cookieFile: this.#cookiePath(),
      passwords: [...HashedControlPassword, ...__HashedControlSessionPassword],
    }
  }

  /** To be told of everything the node tells its owner. */
  handleNodeEvent(event: NodeEvent): void {
    this.events.handleNodeEvent(event)
  }

  /** Options that changed while running; what exactly is found by comparing. */
  reconfigure(options: TorOptions): void {
    this.#options = options
    const config = this.config()
    this.events.handleConfigChanged(diffConfig(this.#lastConfig, config))
    this.#lastConfig = config
    try {
      this.#prepareCookie()
    } catch (thrown) {
      this.runtime.log.write('warn', 'control', asRelishError(thrown).message)
    }
  }

  stop(): void {
    this.#stopped = true
    for (const listener of this.#listeners.splice(0)) listener.close()
    for (const connection of [...this.#connections]) connection.destroy()
    this.events.stop()
  }

  /** A controller has gone. */
  forget(connection: ControlConnection): void {
    this.#connections.delete(connection)
    this.events.wantsChanged()
    if (!connection.ownsNode || this.#stopped) return
    this.runtime.log.write('notice', 'control', 'Owning controller connection has closed -- exiting now.')
    if (this.owner.requestExit !== undefined) this.owner.requestExit('HALT')
    else this.node.signal('HALT')
  }

  #prepareCookie(): void {
    if (!this.#options.CookieAuthentication || this.#cookie !== undefined) return
    const cookie = this.runtime.rng('control cookie').bytes(COOKIE_BYTES)
    const { CookieAuthFile, CookieAuthFileGroupReadable } = this.#options
    const mode = CookieAuthFileGroupReadable ? 0o640 : 0o600
    if (CookieAuthFile === undefined) this.runtime.files.write(cookieFileName, cookie)
    else if (this.owner.writeFile !== undefined) this.owner.writeFile(CookieAuthFile, cookie, mode)
    else throw new RelishError('config', 'CookieAuthFile cannot be written here')
    this.#cookie = cookie
  }

  #cookiePath(): string | undefined {
    const { CookieAuthFile } = this.#options
    if (CookieAuthFile !== undefined) return CookieAuthFile
    const folder = this.owner.dataDirectory
    return folder === undefined ? undefined : `${folder}/${cookieFileName}`
  }

  #listen(address: SocketAddress): void {
    this.#listeners.push(this.runtime.network.listen(address, this.#handlers(formatAddressPort(address), (bound) => formatAddressPort(bound))))
  }

  #listenUnix(path: string): void {
    this.#listeners.push(this.runtime.network.listenUnix(path, this.#handlers(path, () => path)))
  }

  #handlers(asked: string, describe: (bound: SocketAddress) => string): ListenHandlers<ByteStream> {
    return {
      onListening: (address) => {
        this.runtime.log.write('notice', 'net', `Opened Control listener connection (ready) on ${describe(address)}`)
        this.#writePortFile(address.port === 0 ? `UNIX_PORT=${describe(address)}` : `PORT=${describe(address)}`)
        this.#parts.onEvent({ kind: 'listening', listener: 'control', address })
      },
      onConnection: (stream) => this.#accept(stream),
      onError: (error) => this.#parts.onListenError(error.within(`control port ${asked}`)),
    }
  }

  #accept(stream: ByteStream): void {
    if (this.#stopped || this.#connections.size >= controllersMax) {
      stream.start({ onData: () => undefined, onEnd: () => undefined, onDrain: () => undefined, onClose: () => undefined })
      stream.destroy()
      return
    }
    const connection = new ControlConnection(this, stream)
    this.#connections.add(connection)
    connection.start()
  }

  #writePortFile(line: string): void {
    const { ControlPortWriteToFile, ControlPortFileGroupReadable } = this.#options
    if (ControlPortWriteToFile === undefined || this.owner.writeFile === undefined) return
    try {
      this.owner.writeFile(ControlPortWriteToFile, utf8Encode(`${line}\n`), ControlPortFileGroupReadable ? 0o640 : 0o600)
    } catch (thrown) {
      this.runtime.log.write('warn', 'control', asRelishError(thrown).message)
    }
  }

  get eventNames(): readonly string[] {
    return controlEventNames
  }
}
