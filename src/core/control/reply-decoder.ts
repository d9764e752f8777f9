/**
 * Replies and events of a control port as a controller reads them (control-spec §2.3): the reverse of `reply.ts`. Lines
 * with the code 650 are events and come at any time between replies; all others answer commands in their order.
 */

import { concatBytes, utf8Decode } from '../base/encoding.ts'
import { protocolError, RelishError } from '../base/errors.ts'
import { replyBytesMax } from './limits.ts'
import type { ReplyLine } from './reply.ts'

/** Code of the lines of an asynchronous event (control-spec §4.1). */
const eventCode = 650

export interface DecodedReply {
  readonly kind: 'reply' | 'event'
  /** At least one; data sections have `\n` between their lines. */
  readonly lines: readonly ReplyLine[]
}

export class ControlReplyDecoder {
  #held: Uint8Array = new Uint8Array(0)
  /** Where to look for the next line end. */
  #searchFrom = 0
  #lines: ReplyLine[] = []
  #bytes = 0
  /** The lines of a data section whose end has not come. */
  #data: string[] | undefined

  /** Gives each reply and event that `chunk` completes. Throws `limit` or `protocol`: then the connection is beyond help. */
  *feed(chunk: Uint8Array): Generator<DecodedReply, void, undefined> {
    this.#held = this.#held.length === 0 ? chunk.slice() : concatBytes([this.#held, chunk])
    for (;;) {
      const end = this.#held.indexOf(10, this.#searchFrom)
      if (this.#bytes + (end < 0 ? this.#held.length : end) > replyBytesMax) throw new RelishError('limit', `a control reply has more than ${replyBytesMax} bytes`)
      if (end < 0) {
        this.#searchFrom = this.#held.length
        return
      }
      const line = utf8Decode(this.#held.subarray(0, this.#held[end - 1] === 13 ? end - 1 : end))
      this.#held = this.#held.subarray(end + 1)
      this.#searchFrom = 0
      this.#bytes += end + 1
      if (!this.#takeLine(line)) continue
      const lines = this.#lines
      this.#lines = []
      this.#bytes = 0
      yield { kind: lines[0]?.code === eventCode ? 'event' : 'reply', lines }
    }
  }

  /** Whether the line ends a reply. */
  #takeLine(line: string): boolean {
    if (this.#data !== undefined) {
      if (line === '.') {
        const begun = this.#lines.pop()
        if (begun !== undefined) this.#lines.push({ ...begun, data: this.#data.join('\n') })
        this.#data = undefined
      } else {
        // control-spec §2.1.1 (CmdData, DataReplyLine): a dot at the start of a line was doubled.
        this.#data.push(line.startsWith('.') ? line.slice(1) : line)
      }
      return false
    }
    const match = /^(\d{3})([ +-])(.*)$/s.exec(line)
    if (match === null) throw protocolError('malformed line of a control reply')
    const [, code = '', mark, text = ''] = match
    const first = this.#lines[0]
    if (first !== undefined && (first.code === eventCode) !== (Number(code) === eventCode)) throw protocolError('a control event in the middle of a reply')
    this.#lines.push({ code: Number(code), text })
    if (mark === '+') this.#data = []
    return mark === ' '
  }
}

/** The `key=value` lines of a GETINFO reply; a quoted value (control-spec §2.1.1, QuotedString) stays as it is. */
export function keyValuesOf(lines: readonly ReplyLine[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  for (const { text, data } of lines) {
    const at = text.indexOf('=')
    if (at > 0) values.set(text.slice(0, at), data ?? text.slice(at + 1))
  }
  return values
}

/** Words of a line, where `KEY="a b"` is one word, without its quotes. */
export function controlWords(text: string): string[] {
  const words: string[] = []
  for (const match of text.matchAll(/(?:[^\s"]|"(?:[^"\\]|\\.)*")+/g)) {
    words.push(match[0].replace(/"((?:[^"\\]|\\.)*)"/g, (_all, inner: string) => inner.replace(/\\(.)/g, '$1')))
  }
  return words
}
