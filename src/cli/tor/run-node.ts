/** Runs one node until it is told to end: runtime, signals, process id file, reloads and the link to its owner. */

import { rmSync, writeFileSync } from 'node:fs'
import { resolve as resolvePath } from 'node:path'
import { asRelishError, RelishError } from '../../core/base/errors.ts'
import { seconds } from '../../core/base/time.ts'
import { versionText } from '../../core/base/version.ts'
import { formatAddressPort } from '../../core/ident/address.ts'
import { describeConfigError, type TorConfig } from '../../core/torrc/config.ts'
import type { TorOptions } from '../../core/torrc/option-table.ts'
import { isRelay } from '../../core/torrc/validate.ts'
import { createHostRuntime } from '../../host/host-runtime.ts'
import type { HostRuntime } from '../../host/host-options.ts'
import { createNode } from '../../node/create-node.ts'
import type { Node } from '../../node/node.ts'
import type { NodeCommand, NodeEvent } from '../../runtime/events.ts'
import { PartRecorder } from '../../trace/recorder.ts'
import type { TorCommandLine } from './command-line.ts'
import { reportDaemonReady } from './daemon.ts'
import { EventsFd } from './events-fd.ts'
import { dataDirectoryOf, expandHome, FileConfigSource, type LoadedConfig } from './load-config.ts'
import type { NodeLog } from './node-log.ts'

/** How often it is looked whether the process of __OwningControllerProcess still lives. C tor's figure. */
const ownerCheckMs = 15_000
/** A node that has not stopped by then is ended anyway. */
const stopDeadlineMs = 5000

/** Starts the node; the promise is the exit code once it has ended. */
export function runNode(commandLine: TorCommandLine, loaded: LoadedConfig, log: NodeLog): Promise<number> {
  return new Promise((resolve) => {
    new RunningProcess(commandLine, loaded, log, resolve).start()
  })
}

class RunningProcess {
  readonly #commandLine: TorCommandLine
  readonly #log: NodeLog
  readonly #onExit: (code: number) => void
  readonly #config: FileConfigSource
  readonly #trace: PartRecorder | undefined
  readonly #runtime: HostRuntime
  readonly #pidFile: string | undefined
  #node: Node | undefined
  #events: EventsFd | undefined
  #ending = false
  #shutdownTimer: NodeJS.Timeout | undefined
  /** Those that are there at once. A relay's come after its keys, which nobody should have to wait for. */
  #listenersToOpen: number

  constructor(commandLine: TorCommandLine, loaded: LoadedConfig, log: NodeLog, onExit: (code: number) => void) {
    this.#commandLine = commandLine
    this.#log = log
    this.#onExit = onExit
    this.#config = new FileConfigSource(commandLine, loaded, (config) => this.#onConfigChanged(config))
    const { options } = loaded.config
    this.#trace = options.TestingTraceFile === undefined ? undefined : new PartRecorder(resolvePath(expandHome(options.TestingTraceFile)))
    this.#runtime = createHostRuntime({
      dataDirectory: dataDirectoryOf(loaded.config),
      log,
      ...(this.#trace === undefined ? {} : { trace: this.#trace }),
      onBug: (error) => this.#onBug(error),
      inheritedListeners: new Map(options.TestingListenFd.map(({ address, fd }) => [formatAddressPort(address), fd])),
      // As in C tor, an exit asks name servers from the address its streams leave from.
      resolverHosts: { ...options.OutboundBindAddress, ...options.OutboundBindAddressExit },
      clockOffset: seconds(options.TestingClockOffset),
      ...(options.ServerDNSResolvConfFile === undefined ? {} : { resolvConfFile: expandHome(options.ServerDNSResolvConfFile) }),
    })
    this.#listenersToOpen = options.ControlPort.length + options.ControlSocket.length + (isRelay(options) ? 0 : options.SocksPort.length)
    this.#pidFile = options.PidFile === undefined ? undefined : resolvePath(expandHome(options.PidFile))
  }

  start(): void {
    const config = this.#config.current()
    const { options } = config
    try {
      this.#configureLog(options)
      this.#announce(config)
      if (this.#pidFile !== undefined) writeFileSync(this.#pidFile, `${process.pid}\n`)
      this.#openEvents(options)
      this.#watchSignals(options)
      this.#watchOwner(options)
      const node = createNode(this.#runtime, options, {
        onEvent: (event) => this.#onEvent(event),
        config: this.#config,
        processId: process.pid,
        dataDirectory: dataDirectoryOf(config),
        writeFile,
        followLog: (levels, listener) => this.#log.follow(levels, listener),
        logEverything: () => this.#log.setDebug(),
        onFatal: (error) => {
          this.#say('error', describeConfigError(error))
          this.#end(error.message, 1)
        },
        requestExit: (how) => (how === 'HALT' ? this.#end('asked to by a controller', 0) : this.#shutDown('asked to by a controller')),
      })
      this.#node = node
      node.start()
      if (this.#listenersToOpen === 0) reportDaemonReady()
    } catch (thrown) {
      const error = asRelishError(thrown)
      this.#say('error', describeConfigError(error))
      this.#end(error.message, 1)
    }
  }

  #announce(config: TorConfig): void {
    this.#log.write('notice', 'general', `Tor ${versionText} running on ${process.platform} with Node.js ${process.versions.node}, OpenSSL ${process.versions.openssl}.`)
    if (this.#config.file !== undefined) this.#log.write('notice', 'config', `Read configuration file "${this.#config.file}".`)
    for (const warning of config.warnings) this.#log.write('warn', 'config', warning)
  }

  #configureLog(options: TorOptions): void {
    const { quietness } = this.#commandLine
    this.#log.configure({ options, quietness, isDaemon: options.RunAsDaemon, wallNow: () => this.#runtime.wallNow() })
  }

  #openEvents(options: TorOptions): void {
    if (options.TestingEventsFd < 0) return
    this.#events = new EventsFd(options.TestingEventsFd, {
      onCommand: (id, command) => this.#onCommand(id, command),
      onGone: () => this.#end('the program that started this node is gone', 0),
    })
  }

  #watchSignals(options: TorOptions): void {
    if (options.__DisableSignalHandlers) return
    process.on('SIGHUP', () => this.#reload())
    process.on('SIGINT', () => this.#shutDown('Interrupt'))
    process.on('SIGTERM', () => {
      this.#log.write('notice', 'general', 'Catching signal TERM, exiting cleanly.')
      this.#end('signal TERM', 0)
    })
    process.on('SIGUSR1', () => this.#node?.handleCommand({ command: 'signal', signal: 'DUMP' }, () => undefined))
    process.on('SIGUSR2', () => {
      this.#log.setDebug()
      this.#log.write('notice', 'general', 'Switching log level to debug. Send HUP to change back.')
    })
    process.on('uncaughtException', (error) => this.#onBug(asRelishError(error)))
  }

  #watchOwner(options: TorOptions): void {
    const owner = Number(options.__OwningControllerProcess?.split(':')[0])
    if (!Number.isInteger(owner) || owner <= 0) return
    const timer = setInterval(() => {
      if (isAlive(owner)) return
      clearInterval(timer)
      this.#log.write('notice', 'control', 'Owning controller process has vanished; exiting now.')
      this.#end('the owning controller is gone', 0)
    }, ownerCheckMs)
    timer.unref()
  }

  #onEvent(event: NodeEvent): void {
    if (event.kind === 'listening' && --this.#listenersToOpen === 0) reportDaemonReady()
    this.#events?.sendEvent(event)
    this.#record(event)
  }

  #record(event: NodeEvent): void {
    if (this.#trace === undefined) return
    const { kind, ...details } = event
    this.#trace.record({ event: `node.${kind}`, ...details })
  }

  #onCommand(id: unknown, command: NodeCommand): void {
    if (command.command === 'signal') {
      switch (command.signal) {
        case 'HUP':
          this.#events?.answer(id, this.#reload())
          return
        case 'SHUTDOWN':
        case 'HALT':
          this.#events?.answer(id, { ok: true, result: null })
          if (command.signal === 'HALT') this.#end('asked to', 0)
          else this.#shutDown('Asked to shut down')
          return
        case 'NEWNYM':
        case 'DUMP':
      }
    }
    const node = this.#node
    if (node === undefined) this.#events?.answer(id, { ok: false, error: 'the node is not there yet' })
    else node.handleCommand(command, (reply) => this.#events?.answer(id, reply))
  }

  /** SIGHUP: log files are opened anew, and the configuration is read again. A bad one changes nothing. */
  #reload(): { readonly ok: true; readonly result: null } | { readonly ok: false; readonly error: string } {
    this.#log.write('notice', 'general', 'Received reload signal (hup). Reloading config and resetting internal state.')
    try {
      this.#config.reload()
      this.#configureLog(this.#config.current().options)
      this.#node?.handleCommand({ command: 'signal', signal: 'HUP' }, () => undefined)
      return { ok: true, result: null }
    } catch (thrown) {
      const error = describeConfigError(asRelishError(thrown))
      this.#say('warn', `Reading config failed, and nothing was changed: ${error}`)
      return { ok: false, error }
    }
  }

  #onConfigChanged(config: TorConfig): void {
    this.#configureLog(config.options)
    for (const warning of config.warnings) this.#log.write('warn', 'config', warning)
    this.#node?.reconfigure(config.options)
  }

  /** SIGINT: a relay goes on for its circuits for a while; a second time, and for others, it ends now. */
  #shutDown(why: string): void {
    const { options } = this.#config.current()
    if (this.#shutdownTimer !== undefined || !isRelay(options) || options.ShutdownWaitLength === 0) {
      this.#log.write('notice', 'general', `${why}: exiting cleanly.`)
      this.#end(why, 0)
      return
    }
    this.#log.write('notice', 'general', `${why}: we will shut down in ${options.ShutdownWaitLength / 1000} seconds. Interrupt again to exit now.`)
    this.#shutdownTimer = setTimeout(() => this.#end(why, 0), options.ShutdownWaitLength)
  }

  #onBug(error: RelishError): void {
    const cause = error.cause instanceof Error ? error.cause : error
    this.#say('error', `Bug: ${error.message}\n${cause.stack ?? ''}`)
    this.#end(`internal error: ${error.message}`, 1)
  }

  #say(level: 'warn' | 'error', message: string): void {
    this.#log.write(level, 'general', message)
    this.#onEvent({ kind: 'warning', level, message })
  }

  #end(reason: string, code: number): void {
    if (this.#ending) return
    this.#ending = true
    clearTimeout(this.#shutdownTimer)
    const finish = once(() => {
      this.#runtime.close()
      if (this.#pidFile !== undefined) rmSync(this.#pidFile, { force: true })
      this.#record({ kind: 'stopped', reason })
      this.#trace?.close()
      const leave = once(() => {
        this.#log.close()
        this.#onExit(code)
      })
      if (this.#events === undefined) leave()
      else this.#events.finish({ kind: 'stopped', reason }, leave)
      // An owner that does not read must not keep a dead node.
      setTimeout(leave, 500).unref()
    })
    setTimeout(finish, stopDeadlineMs).unref()
    try {
      if (this.#node === undefined) finish()
      else this.#node.stop(finish)
    } catch (thrown) {
      this.#log.write('error', 'general', `stopping: ${asRelishError(thrown).message}`)
      finish()
    }
  }
}

/** A file that the configuration names by its path. */
function writeFile(path: string, content: Uint8Array, mode: number): void {
  const full = resolvePath(expandHome(path))
  try {
    // The mode counts when a file is made, so an old one goes first.
    rmSync(full, { force: true })
    writeFileSync(full, content, { mode })
  } catch (cause) {
    throw new RelishError('local-io', `cannot write ${full}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

function once(run: () => void): () => void {
  let done = false
  return () => {
    if (done) return
    done = true
    run()
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM'
  }
}
