/**
 * The link between a node and the program that runs it: JSON lines on the inherited descriptor that `TestingEventsFd`
 * names. Events go out; commands with an `id` come in and are answered with it. End of file means that the owner is
 * gone.
 */

import { Socket } from 'node:net'
import { asRelishError } from '../../core/base/errors.ts'
import type { Node } from '../../node/node.ts'
import type { NodeCommand, NodeEvent } from '../../runtime/events.ts'

/** Longest command; answers may be longer. */
const commandBytesMax = 1024 * 1024

export class EventsFd {
  readonly #socket: Socket
  #held = ''

  /** Throws `local-io` if the descriptor is not a pipe or socket. */
  constructor(fd: number, callbacks: { onCommand(id: unknown, command: NodeCommand): void; onGone(): void }) {
    try {
      this.#socket = new Socket({ fd, readable: true, writable: true })
    } catch (thrown) {
      throw asRelishError(thrown).within(`TestingEventsFd ${fd}`)
    }
    this.#socket.setEncoding('utf8')
    this.#socket.on('error', () => undefined)
    this.#socket.on('close', () => callbacks.onGone())
    this.#socket.on('end', () => callbacks.onGone())
    this.#socket.on('data', (chunk: string) => this.#take(chunk, callbacks.onCommand))
  }

  sendEvent(event: NodeEvent): void {
    this.#send(event)
  }

  /** Sends, then calls back: for the last words of a node. */
  finish(event: NodeEvent, onSent: () => void): void {
    if (this.#socket.destroyed) onSent()
    else this.#socket.write(`${JSON.stringify(event)}\n`, () => onSent())
  }

  answer(id: unknown, reply: Parameters<Parameters<Node['handleCommand']>[1]>[0]): void {
    this.#send({ kind: 'reply', id, ...reply })
  }

  #send(value: unknown): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(value)}\n`)
  }

  #take(chunk: string, onCommand: (id: unknown, command: NodeCommand) => void): void {
    const lines = (this.#held + chunk).split('\n')
    this.#held = lines.pop() ?? ''
    if (this.#held.length > commandBytesMax) {
      this.#socket.destroy()
      return
    }
    for (const line of lines) {
      if (line.trim() !== '') this.#takeLine(line, onCommand)
    }
  }

  #takeLine(line: string, onCommand: (id: unknown, command: NodeCommand) => void): void {
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch {
      this.answer(null, { ok: false, error: 'not JSON' })
      return
    }
    if (typeof value !== 'object' || value === null || !('command' in value) || typeof value.command !== 'string') {
      this.answer(null, { ok: false, error: 'a command has the fields id and command' })
      return
    }
    const { id, ...command } = value as { id?: unknown } & NodeCommand
    onCommand(id ?? null, command as NodeCommand)
  }
}
