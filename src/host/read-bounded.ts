/** Reading files that anybody may have named: never more of them than is allowed. */

import { closeSync, openSync, readSync } from 'node:fs'

/** The file as UTF-8. One that is larger than `bytesMax` gives one byte more than that, so that whoever asked can tell. Throws as `node:fs` does. */
export function readTextBounded(path: string, bytesMax: number): string {
  const descriptor = openSync(path, 'r')
  try {
    const chunks: Buffer[] = []
    let left = bytesMax + 1
    while (left > 0) {
      const chunk = Buffer.alloc(Math.min(left, 65_536))
      const bytes = readSync(descriptor, chunk)
      if (bytes === 0) break
      chunks.push(chunk.subarray(0, bytes))
      left -= bytes
    }
    return Buffer.concat(chunks).toString('utf8')
  } finally {
    closeSync(descriptor)
  }
}
