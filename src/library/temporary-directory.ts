/**
 * Where the files of a network are that somebody wants for a moment. A start makes two hundred files and waits for each;
 * on a disk that others use it waits for them, too. Linux has a file system in memory that everybody may use; it is
 * taken for networks in this process, whose nodes write no logs: ten of them have half a megabyte.
 */

import { mkdtempSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeTemporaryFolder } from '../testnet/temporary-folder.ts'
import { memoryFolderFreeBytesMin } from './limits.ts'

const memoryFolder = '/dev/shm'
/** statfs(2), TMPFS_MAGIC. */
const tmpfs = 0x01021994

/** Makes a directory of nobody else's. Throws `local-io`. */
export function makeTemporaryDirectory(world: 'inline' | 'processes'): string {
  // Who has named another place for temporary files wants them there.
  if (world === 'inline' && tmpdir() === '/tmp' && hasRoomInMemory()) {
    try {
      return mkdtempSync(join(memoryFolder, 'relish-'))
    } catch {
      // Not for us; the usual place is as good.
    }
  }
  return makeTemporaryFolder('relish-')
}

function hasRoomInMemory(): boolean {
  try {
    const { type, bavail, bsize } = statfsSync(memoryFolder)
    return type === tmpfs && bavail * bsize >= memoryFolderFreeBytesMin
  } catch {
    return false
  }
}
