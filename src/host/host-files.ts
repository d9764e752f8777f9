/** A FileStore in a folder of the real file system. */

import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { assert } from '../core/base/assert.ts'
import { RelishError } from '../core/base/errors.ts'
import { wallMs, type WallMs } from '../core/base/time.ts'
import type { FileStore } from '../runtime/index.ts'
import { hostLimits } from './limits.ts'
import { systemErrorCode } from './socket-errors.ts'

export class HostFiles implements FileStore {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  read(path: string): Uint8Array | undefined {
    return this.#absentAsUndefined('reading', path, (full) => {
      const { size } = statSync(full)
      if (size > hostLimits.fileBytesMax) throw new RelishError('limit', `${full} has ${size} bytes, more than the limit of ${hostLimits.fileBytesMax}`)
      return new Uint8Array(readFileSync(full))
    })
  }

  /**
   * Written beside the old file and renamed over it, so that a crash of this process leaves the one or the other. Not
   * synchronised to the disk, as C tor does not either: after a power failure, keys of a test network may be made anew.
   */
  write(path: string, content: Uint8Array, mode = 0o600): void {
    const full = this.#full(path)
    const temporary = `${full}.tmp`
    this.#attempt('writing', full, () => {
      const file = openNew(temporary, mode)
      try {
        let written = 0
        while (written < content.length) written += writeSync(file, content, written)
      } finally {
        closeSync(file)
      }
      renameSync(temporary, full)
    })
  }

  append(path: string, content: Uint8Array): void {
    const full = this.#full(path)
    this.#attempt('appending to', full, () => {
      const append = (): void => appendFileSync(full, content, { mode: 0o600 })
      try {
        append()
      } catch (thrown) {
        if (systemErrorCode(thrown) !== 'ENOENT') throw thrown
        makeFolderOf(full)
        append()
      }
    })
  }

  remove(path: string): void {
    const full = this.#full(path)
    this.#attempt('removing', full, () => rmSync(full, { force: true }))
  }

  list(path: string): readonly string[] {
    return this.#absentAsUndefined('listing', path, (full) => readdirSync(full).sort()) ?? []
  }

  stat(path: string): { readonly bytes: number; readonly modified: WallMs } | undefined {
    return this.#absentAsUndefined('looking at', path, (full) => {
      const found = statSync(full)
      return { bytes: found.size, modified: wallMs(Math.floor(found.mtimeMs)) }
    })
  }

  #full(path: string): string {
    assert(!path.startsWith('/') && !path.split('/').includes('..'), 'paths of a file store are relative and stay inside it')
    return join(this.#root, path)
  }

  #attempt<T>(what: string, full: string, run: () => T): T {
    try {
      return run()
    } catch (cause) {
      if (cause instanceof RelishError) throw cause
      throw new RelishError('local-io', `${what} ${full}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
  }

  #absentAsUndefined<T>(what: string, path: string, run: (full: string) => T): T | undefined {
    const full = this.#full(path)
    return this.#attempt(what, full, () => {
      try {
        return run(full)
      } catch (thrown) {
        const code = systemErrorCode(thrown)
        if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
        throw thrown
      }
    })
  }
}

const makeFolderOf = (full: string): void => void mkdirSync(dirname(full), { recursive: true, mode: 0o700 })

/** A descriptor of a new file. What could stand in the way is looked for only where something does: a start writes hundreds. */
function openNew(full: string, mode: number): number {
  for (let isAgain = false; ; isAgain = true) {
    try {
      return openSync(full, 'wx', mode)
    } catch (thrown) {
      const code = systemErrorCode(thrown)
      if (isAgain || (code !== 'ENOENT' && code !== 'EEXIST')) throw thrown
      // A leftover of a crash could have another mode, and its mode would win.
      if (code === 'EEXIST') rmSync(full, { force: true })
      else makeFolderOf(full)
    }
  }
}
