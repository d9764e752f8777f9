/** A machine's disk: it survives crashes and restarts of what runs on the machine. */

import { RelishError } from '../core/base/errors.ts'
import type { WallMs } from '../core/base/time.ts'
import { concatBytes } from '../core/base/encoding.ts'
import type { FileStore } from '../runtime/index.ts'
import { simLimits } from './limits.ts'

interface StoredFile {
  readonly content: Uint8Array
  readonly modified: WallMs
}

export class SimFiles implements FileStore {
  readonly #files = new Map<string, StoredFile>()
  readonly #wallNow: () => WallMs
  readonly #onWrite: (path: string, content: Uint8Array) => void
  #bytes = 0
  #bytesMax: number = simLimits.fileStoreBytesMax

  constructor(wallNow: () => WallMs, onWrite: (path: string, content: Uint8Array) => void) {
    this.#wallNow = wallNow
    this.#onWrite = onWrite
  }

  /** Fault: the disk takes no more than this many bytes. Without a number: as many as at first. */
  setCapacity(bytesMax: number = simLimits.fileStoreBytesMax): void {
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  read(path: string): Uint8Array | undefined {
    return this.#files.get(normal(path))?.content.slice()
  }

  write(path: string, content: Uint8Array): void {
    const name = normal(path)
    const bytes = this.#bytes - (this.#files.get(name)?.content.length ?? 0) + content.length
    if (bytes > this.#bytesMax) throw new RelishError('local-io', `writing ${path}: no space left on device`)
    this.#bytes = bytes
    this.#files.set(name, { content: content.slice(), modified: this.#wallNow() })
    this.#onWrite(name, content)
  }

  append(path: string, content: Uint8Array): void {
    this.write(path, concatBytes([this.#files.get(normal(path))?.content ?? new Uint8Array(0), content]))
  }

  remove(path: string): void {
    const name = normal(path)
    this.#bytes -= this.#files.get(name)?.content.length ?? 0
    this.#files.delete(name)
  }

  list(path: string): readonly string[] {
    const folder = normal(path)
    const prefix = folder === '' ? '' : `${folder}/`
    const names = new Set<string>()
    for (const name of this.#files.keys()) if (name.startsWith(prefix)) names.add(name.slice(prefix.length).split('/')[0] ?? '')
    return [...names].sort()
  }

  stat(path: string): { readonly bytes: number; readonly modified: WallMs } | undefined {
    const file = this.#files.get(normal(path))
    return file === undefined ? undefined : { bytes: file.content.length, modified: file.modified }
  }
}

/** Throws `bug` for paths that would leave the store, as the host's store does. */
function normal(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (path.startsWith('/') || parts.includes('..')) throw new RelishError('bug', 'paths of a file store are relative and stay inside it')
  return parts.join('/')
}
