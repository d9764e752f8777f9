/** A machine's disk: it survives crashes and restarts of what runs on the machine. */

import { RelishError } from '../core/base/errors.ts'
import type { WallMs } from '../core/base/time.ts'
import { concatBytes } from '../core/base/encoding.ts'
import type { FileStore } from '../runtime/index.ts'
import { simLimits } from './limits.ts'

interface StoredFile {
  /** What was written, and then what was added to it. */
  readonly parts: readonly Uint8Array[]
  readonly bytes: number
  readonly modified: WallMs
}

export class SimFiles implements FileStore {
  readonly #files = new Map<string, StoredFile>()
  readonly #wallNow: () => WallMs
  readonly #onWrite: (path: string, bytes: number) => void
  #bytes = 0
  #bytesMax: number = simLimits.fileStoreBytesMax

  constructor(wallNow: () => WallMs, onWrite: (path: string, bytes: number) => void) {
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
    const file = this.#files.get(normal(path))
    return file === undefined ? undefined : concatBytes(file.parts)
  }

  write(path: string, content: Uint8Array): void {
    this.#store(path, [content.slice()], content.length)
  }

  append(path: string, content: Uint8Array): void {
    const held = this.#files.get(normal(path))
    this.#store(path, [...(held?.parts ?? []), content.slice()], (held?.bytes ?? 0) + content.length)
  }

  #store(path: string, parts: readonly Uint8Array[], bytes: number): void {
    const name = normal(path)
    const all = this.#bytes - (this.#files.get(name)?.bytes ?? 0) + bytes
    if (all > this.#bytesMax) throw new RelishError('local-io', `writing ${path}: no space left on device`)
    this.#bytes = all
    this.#files.set(name, { parts, bytes, modified: this.#wallNow() })
    this.#onWrite(name, bytes)
  }

  remove(path: string): void {
    const name = normal(path)
    this.#bytes -= this.#files.get(name)?.bytes ?? 0
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
    return file === undefined ? undefined : { bytes: file.bytes, modified: file.modified }
  }
}

/** Throws `bug` for paths that would leave the store, as the host's store does. */
function normal(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (path.startsWith('/') || parts.includes('..')) throw new RelishError('bug', 'paths of a file store are relative and stay inside it')
  return parts.join('/')
}
