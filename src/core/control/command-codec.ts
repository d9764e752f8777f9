/**
 * The commands of controllers as bytes: a line, or with `+` in front a line and a data section that a lone `.` ends
 * (control-spec §2.2). What a command means is not known here.
 */

import { concatBytes, utf8Decode, utf8Encode } from '../base/encoding.ts'
import { protocolError, RelishError } from '../base/errors.ts'
import { commandBytesMax } from './limits.ts'

export interface ControlCommand {
  /** In upper case. */
  readonly keyword: string
  /** What follows on the line, without the space before it. */
  readonly args: string
  /** The data section with `\n` between its lines; undefined for a command of one line. */
  readonly data: string | undefined
}

export class ControlCommandDecoder {
  #held: Uint8Array = new Uint8Array(0)
  /** Where to look for the next line end. */
  #searchFrom = 0
  #open: { readonly keyword: string; readonly args: string; readonly lines: string[]; bytes: number } | undefined

  /**
   * Gives each command that `chunk` completes. Throws `limit` or `protocol` for what follows them: then the connection is
   * beyond help.
   */
  *feed(chunk: Uint8Array): Generator<ControlCommand, void, undefined> {
    this.#held = this.#held.length === 0 ? chunk.slice() : concatBytes([this.#held, chunk])
    for (;;) {
      const end = this.#held.indexOf(10, this.#searchFrom)
      if (end < 0) {
        this.#searchFrom = this.#held.length
        if (this.#held.length > commandBytesMax) throw tooLong()
        return
      }
      if (end > commandBytesMax) throw tooLong()
      // A bare line feed is taken too, as in C tor.
      const line = utf8Decode(this.#held.subarray(0, this.#held[end - 1] === 13 ? end - 1 : end))
      this.#held = this.#held.subarray(end + 1)
      this.#searchFrom = 0
      const command = this.#takeLine(line)
      if (command !== undefined) yield command
    }
  }

  #takeLine(line: string): ControlCommand | undefined {
    const open = this.#open
    if (open === undefined) return this.#begin(line)
    if (line === '.') {
      this.#open = undefined
      return { keyword: open.keyword, args: open.args, data: open.lines.join('\n') }
    }
    open.bytes += line.length + 2
    if (open.bytes > commandBytesMax) throw tooLong()
    open.lines.push(line.startsWith('.') ? line.slice(1) : line)
    return undefined
  }

  #begin(line: string): ControlCommand | undefined {
    const match = /^(\+?)([A-Za-z_]+)(?:[ \t]+(.*))?$/s.exec(line)
    if (match === null) {
      if (line.trim() === '') return undefined
      throw protocolError('malformed control command')
    }
    const keyword = (match[2] ?? '').toUpperCase()
    const args = (match[3] ?? '').trimEnd()
    if (match[1] === '') return { keyword, args, data: undefined }
    this.#open = { keyword, args, lines: [], bytes: 0 }
    return undefined
  }
}

const tooLong = (): RelishError => new RelishError('limit', `a control command has at most ${commandBytesMax} bytes`)

/** The bytes of a command, for tests and for controllers of our own. */
export function emitCommand(command: ControlCommand): Uint8Array {
  const line = command.args === '' ? command.keyword : `${command.keyword} ${command.args}`
  if (command.data === undefined) return utf8Encode(`${line}\r\n`)
  return utf8Encode(`+${line}\r\n${escapeData(command.data)}.\r\n`)
}

/** A data section without its end: CRLF between lines, a dot doubled at the start of one (control-spec §2.4, CmdData). */
export function escapeData(data: string): string {
  if (data === '') return ''
  return data
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => `${line.startsWith('.') ? '.' : ''}${line.replace(/\r$/, '')}\r\n`)
    .join('')
}
