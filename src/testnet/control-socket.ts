/** Both ends of a run's control socket: `ControlServer` in the run, `connectToRun` for everybody else. */

import { chmodSync, closeSync, existsSync, openSync, rmSync } from 'node:fs'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { RelishError } from '../core/base/errors.ts'
import type { NodeCommand, NodeInspection } from '../runtime/events.ts'
import type { NodeEventRecord } from './backend/backend.ts'
import type { BootstrapResult } from './bootstrap.ts'
import type { CheckResult } from './checks/check.ts'
import type { CheckEvent } from './checks/run-checks.ts'
import { fromWireError, toWireError, type ControlAnswer, type ControlMethod, type ControlRequest } from './control-protocol.ts'
import { readJsonLines, writeJsonLine } from './json-lines.ts'
import { controlClientsMax } from './limits.ts'
import type { NewNodes } from './membership.ts'
import type { OptionValues } from './option-changes.ts'
import type { RunDirectory } from './run-directory.ts'
import type { JoinInformation, NetworkStatus, Session } from './session.ts'
import type { SuiteRequest } from './suite/suite.ts'

/** A socket's path may be about a hundred bytes long; a longer one is reached through its folder's descriptor. */
const socketPathBytesMax = 100

const socketPath = (directory: RunDirectory): string => join(directory.path, 'control.sock')

/** Calls `use` with a path of bearable length for the same socket. */
function withShortPath<T>(path: string, use: (path: string) => T): T {
  if (Buffer.byteLength(path) <= socketPathBytesMax) return use(path)
  if (process.platform !== 'linux') throw new RelishError('config', `the path of the control socket is too long: ${path}`, { hint: 'choose a shorter run directory with --dir' })
  const folder = openSync(dirname(path), 'r')
  try {
    return use(`/proc/self/fd/${folder}/${basename(path)}`)
  } finally {
    // Binding and connecting look the path up during the call.
    closeSync(folder)
  }
}

export class ControlServer {
  readonly #server: Server
  readonly #path: string
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, path: string) {
    this.#server = server
    this.#path = path
  }

  /** The caller holds the run directory's lock, so that an old socket there is nobody's. `onDown` ends the run. */
  static async open(directory: RunDirectory, session: Session, onDown: () => Promise<void>): Promise<ControlServer> {
    const path = socketPath(directory)
    rmSync(path, { force: true })
    const server = createServer()
    const control = new ControlServer(server, path)
    server.maxConnections = controlClientsMax
    server.on('connection', (socket) => control.#serve(socket, session, onDown))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      withShortPath(path, (short) => server.listen(short, resolve))
    })
    chmodSync(path, 0o600)
    server.unref()
    return control
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.end()
    rmSync(this.#path, { force: true })
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
      for (const socket of this.#sockets) socket.destroySoon()
    })
  }

  #serve(socket: Socket, session: Session, onDown: () => Promise<void>): void {
    this.#sockets.add(socket)
    const undo: (() => void)[] = []
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#sockets.delete(socket)
      for (const one of undo) one()
    })
    const handle = async (request: ControlRequest): Promise<void> => {
      const progress = (value: unknown): void => writeJsonLine(socket, { id: request.id, progress: value } satisfies ControlAnswer)
      try {
        if (request.method === 'follow') {
          undo.push(session.follow(progress))
          return
        }
        const result = request.method === 'down' ? await onDown() : await dispatch(session, request, progress, () => !socket.destroyed)
        writeJsonLine(socket, { id: request.id, result: result ?? null } satisfies ControlAnswer)
      } catch (error) {
        writeJsonLine(socket, { id: request.id, error: toWireError(error) } satisfies ControlAnswer)
      }
    }
    readJsonLines(socket, (value) => void handle(value as ControlRequest), () => socket.destroy())
  }
}

function dispatch(session: Session, { method, params }: ControlRequest, progress: (value: unknown) => void, isWanted: () => boolean): Promise<unknown> {
  const names = (params[0] ?? []) as readonly string[]
  const node = String(params[0])
  switch (method) {
    case 'status':
      return session.status()
    case 'start':
      return session.start(names)
    case 'wait':
      return session.wait(names)
    case 'stop':
      return session.stop(names)
    case 'kill':
      return session.kill(node)
    case 'restart':
      return session.restart(node)
    case 'hup':
      return session.hup(names)
    case 'vote':
      return session.vote()
    case 'add':
      return session.add(params[0] as NewNodes)
    case 'remove':
      return session.remove(names)
    case 'set':
      return session.set(names, params[1] as OptionValues)
    case 'command':
      return session.command(node, params[1] as NodeCommand)
    case 'verify':
      return session.verify(params[0] as SuiteRequest, progress, isWanted)
    case 'join':
      return session.join()
    default:
      throw new RelishError('config', `the run does not know "${method}"`, { hint: 'it may be of another version of relish' })
  }
}

interface Pending {
  resolve(result: unknown): void
  reject(error: unknown): void
  onProgress(value: unknown): void
}

/** A run in another process. */
export class RemoteSession implements Session {
  readonly #socket: Socket
  readonly #pending = new Map<number, Pending>()
  #nextId = 1

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => undefined)
    socket.on('close', () => {
      for (const pending of this.#pending.values()) pending.reject(new RelishError('unavailable', 'the run has ended'))
      this.#pending.clear()
    })
    readJsonLines(socket, (value) => this.#receive(value as ControlAnswer), () => socket.destroy())
  }

  #receive(answer: ControlAnswer): void {
    const pending = this.#pending.get(answer.id)
    if (pending === undefined) return
    if ('progress' in answer) {
      pending.onProgress(answer.progress)
      return
    }
    this.#pending.delete(answer.id)
    if ('error' in answer) pending.reject(fromWireError(answer.error))
    else pending.resolve(answer.result)
  }

  #call(method: ControlMethod, params: readonly unknown[] = [], onProgress: (value: unknown) => void = () => undefined): Promise<unknown> {
    if (this.#socket.destroyed) return Promise.reject(new RelishError('unavailable', 'the run has ended'))
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, onProgress })
      writeJsonLine(this.#socket, { id, method, params } satisfies ControlRequest)
    })
  }

  async status(): Promise<NetworkStatus> {
    return (await this.#call('status')) as NetworkStatus
  }
  async start(nodes: readonly string[]): Promise<BootstrapResult> {
    return (await this.#call('start', [nodes])) as BootstrapResult
  }
  async wait(nodes: readonly string[]): Promise<void> {
    await this.#call('wait', [nodes])
  }
  async stop(nodes: readonly string[]): Promise<void> {
    await this.#call('stop', [nodes])
  }
  async kill(node: string): Promise<void> {
    await this.#call('kill', [node])
  }
  async restart(node: string): Promise<void> {
    await this.#call('restart', [node])
  }
  async hup(nodes: readonly string[]): Promise<void> {
    await this.#call('hup', [nodes])
  }
  async vote(): Promise<void> {
    await this.#call('vote')
  }
  async add(nodes: NewNodes): Promise<string[]> {
    return (await this.#call('add', [nodes])) as string[]
  }
  async remove(nodes: readonly string[]): Promise<void> {
    await this.#call('remove', [nodes])
  }
  async set(nodes: readonly string[], options: OptionValues): Promise<void> {
    await this.#call('set', [nodes, options])
  }
  command(node: string, command: NodeCommand): Promise<unknown> {
    return this.#call('command', [node, command])
  }
  async inspect(node: string): Promise<NodeInspection> {
    return (await this.command(node, { command: 'inspect' })) as NodeInspection
  }
  async verify(suite: SuiteRequest, onEvent: (event: CheckEvent) => void): Promise<CheckResult[]> {
    return (await this.#call('verify', [suite], (value) => onEvent(value as CheckEvent))) as CheckResult[]
  }
  async join(): Promise<JoinInformation> {
    return (await this.#call('join')) as JoinInformation
  }
  follow(onEvent: (record: NodeEventRecord) => void): () => void {
    this.#call('follow', [], (value) => onEvent(value as NodeEventRecord)).catch(() => undefined)
    return () => undefined
  }
  /** Ends the run; resolves when nothing of it is left. */
  async down(): Promise<void> {
    await this.#call('down')
  }
  /** What was asked last is still carried out. */
  close(): void {
    this.#socket.end()
    this.#socket.unref()
  }
}

/** Undefined when nothing runs in the directory. */
export function connectToRun(directory: RunDirectory): Promise<RemoteSession | undefined> {
  const path = socketPath(directory)
  if (!existsSync(path)) return Promise.resolve(undefined)
  return new Promise((resolve) => {
    const socket = withShortPath(path, (short) => createConnection(short))
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      resolve(new RemoteSession(socket))
    })
    // Nobody accepts: what is left of a run that was killed.
    socket.once('error', () => resolve(undefined))
  })
}
