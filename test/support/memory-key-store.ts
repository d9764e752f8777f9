import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { KeyStore } from '../../src/core/cert/relay-keys.ts'

/** A data directory in memory that remembers the modes files were written with. */
export class MemoryKeyStore implements KeyStore {
  readonly files = new Map<string, Uint8Array>()
  readonly modes = new Map<string, number>()

  /** With a copy of the files below `folder`. */
  static from(folder: string): MemoryKeyStore {
    const store = new MemoryKeyStore()
    for (const name of readdirSync(folder, { recursive: true }) as string[]) {
      if (statSync(join(folder, name)).isFile()) store.files.set(name, new Uint8Array(readFileSync(join(folder, name))))
    }
    return store
  }

  read(path: string): Uint8Array | undefined {
    return this.files.get(path)
  }

  write(path: string, content: Uint8Array, mode = 0o600): void {
    this.files.set(path, content.slice())
    this.modes.set(path, mode)
  }

  list(path: string): readonly string[] {
    return [...this.files.keys()].filter((name) => name.startsWith(`${path}/`)).map((name) => name.slice(path.length + 1))
  }
}
