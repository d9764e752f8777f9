/** A folder of nobody else's where the system has temporary files. Whoever makes one removes it. */

import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RelishError } from '../core/base/errors.ts'

/** Throws `local-io` where there is no place for one. */
export function makeTemporaryFolder(prefix: string): string {
  try {
    return mkdtempSync(join(tmpdir(), prefix))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new RelishError('local-io', `no temporary folder can be made: ${why}`, { cause: error, hint: 'TMPDIR names a folder for them that is there and can be written' })
  }
}
