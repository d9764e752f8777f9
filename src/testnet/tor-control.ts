/**
 * A controller of one C tor over a byte stream (control-spec): commands one after another, replies in their order, events
 * as they come. It knows nothing of what the commands mean; the stream is authenticated already.
 */

import type { Duplex } from 'node:stream'
import { utf8Encode } from '../core/base/encoding.ts'
import { RelishError } from '../core/base/errors.ts'
import { ControlReplyDecoder, keyValuesOf } from '../core/control/reply-decoder.ts'
import type { ReplyLine } from '../core/control/reply.ts'
import { commandTimeoutMs } from './limits.ts'

interface Waiting {
  readonly command: string
  resolve(lines: readonly ReplyLine[]): void
  reject(error: RelishError): void
  readonly timer: NodeJS.Timeout
}

export interface TorControlOptions {
  /** Whose it is, for errors. */
  readonly name: string
  readonly stream: Duplex
  /** The words of an event without its name (`NOTICE CIRCUIT_ESTABLISHED` of STATUS_CLIENT), and its data. */
  readonly onEvent: (name: string, words: string, data: string | undefined) => void
}

export class TorControl {
  readonly #options: TorControlOptions
  readonly #decoder = new ControlReplyDecoder()
  readonly #waiting: Waiting[] = []
  #closed = false

  constructor(options: TorControlOptions) {
    this.#options = options
    options.stream.on('data', (chunk: Buffer) => this.#receive(chunk))
    options.stream.on('error', () => this.close())
    options.stream.on('close', () => this.close())
  }

  /** Sends one command. Throws `refused` with C tor's words unless the reply's code is 250. */
  command(line: string): Promise<readonly ReplyLine[]> {
    const { name, stream } = this.#options
    if (this.#closed) return Promise.reject(new RelishError('unavailable', `${name} does not run`))
    const command = line.split(' ', 1)[0] ?? line
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new RelishError('timeout', `${name} did not answer ${command} within ${commandTimeoutMs / 1000} s`))
      }, commandTimeoutMs)
      this.#waiting.push({ command, resolve, reject, timer })
      stream.write(utf8Encode(`${line}\r\n`))
    })
  }

  /** Values by key. Throws `refused` if C tor does not know one of the keys, or has nothing to say of it. */
  async getInfo(keys: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return keyValuesOf(await this.command(`GETINFO ${keys.join(' ')}`))
  }

  /** The value of one key; undefined if C tor has none. */
  async ask(key: string): Promise<string | undefined> {
    try {
      const value = (await this.getInfo([key])).get(key)
      return value === '' ? undefined : value
    } catch (error) {
      if (error instanceof RelishError && error.kind === 'refused') return undefined
      throw error
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#options.stream.destroy()
    for (const waiting of this.#waiting.splice(0)) {
      clearTimeout(waiting.timer)
      waiting.reject(new RelishError('unavailable', `${this.#options.name} ended before it answered ${waiting.command}`))
    }
  }

  #receive(chunk: Buffer): void {
    try {
      for (const { kind, lines } of this.#decoder.feed(chunk)) {
        if (kind === 'reply') this.#answer(lines)
        else this.#tell(lines)
      }
    } catch (error) {
      if (!(error instanceof RelishError)) throw error
      this.close()
    }
  }

  #answer(lines: readonly ReplyLine[]): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) return
    clearTimeout(waiting.timer)
    const last = lines.at(-1)
    if (last?.code === 250) waiting.resolve(lines)
    else waiting.reject(new RelishError('refused', `${this.#options.name}: ${waiting.command}: ${last?.code} ${last?.text}`))
  }

  #tell(lines: readonly ReplyLine[]): void {
    const first = lines[0]
    if (first === undefined) return
    const [name = '', ...words] = first.text.split(' ')
    this.#options.onEvent(name, words.join(' '), first.data)
  }
}
