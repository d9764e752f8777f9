/**
 * The node's `state` file: what is remembered between runs and is no key (guards, for now). Each part of the node owns
 * the lines of its keywords; writing is put off a little, so that a burst of changes is one write.
 */

import { asRelishError } from '../core/base/errors.ts'
import { latin1Decode, latin1Encode } from '../core/base/encoding.ts'
import { seconds } from '../core/base/time.ts'
import { formatStateFile, parseStateFile, replaceStateLines, type StateLine } from '../core/guard/state-file.ts'
import type { Runtime, Timer } from '../runtime/index.ts'

const fileName = 'state'
const writeDelay = seconds(5)

export class StateStore {
  readonly #runtime: Runtime
  readonly #version: string
  #lines: readonly StateLine[]
  #timer: Timer | undefined

  /** `version`: written as `TorVersion`. A file that cannot be read is as good as none, and said to be so. */
  constructor(runtime: Runtime, version: string) {
    this.#runtime = runtime
    this.#version = version
    this.#lines = this.#read()
  }

  /** Values of the lines with this keyword, in order. */
  values(keyword: string): readonly string[] {
    return this.#lines.filter((line) => line.keyword === keyword).map((line) => line.value)
  }

  /** Replaces all lines of this keyword; the file follows within seconds. */
  set(keyword: string, values: readonly string[]): void {
    this.#lines = replaceStateLines(this.#lines, keyword, values)
    this.#timer ??= this.#runtime.setTimer(writeDelay, () => {
      this.#timer = undefined
      this.#write()
    })
  }

  /** Writes what has changed at once: before the node stops. */
  flush(): void {
    if (this.#timer === undefined) return
    this.#timer.cancel()
    this.#timer = undefined
    this.#write()
  }

  #read(): readonly StateLine[] {
    try {
      const content = this.#runtime.files.read(fileName)
      return content === undefined ? [] : parseStateFile(latin1Decode(content))
    } catch (thrown) {
      this.#runtime.log.write('warn', 'general', `Unable to read state file: ${asRelishError(thrown).message}. Starting with none.`)
      return []
    }
  }

  #write(): void {
    try {
      this.#runtime.files.write(fileName, latin1Encode(formatStateFile(this.#lines, this.#version, this.#runtime.wallNow())))
    } catch (thrown) {
      this.#runtime.log.write('warn', 'general', `Unable to write state file: ${asRelishError(thrown).message}; will try again with the next change`)
    }
  }
}
