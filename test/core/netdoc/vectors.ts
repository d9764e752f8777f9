/** Where documents for these tests come from. */

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** A document captured from a C tor network (test/vectors/c-tor-0.4.9.11/netdoc/README.md), as latin1 text. */
export function captured(name: string): string {
  return readFileSync(`${root}test/vectors/c-tor-0.4.9.11/netdoc/${name}`, 'latin1')
}

/** A document of the public network, from the folder beside the project; undefined where that is not there. */
export function publicDocument(name: string): string | undefined {
  const path = `${root}../shared/data/${name}`
  return existsSync(path) ? readFileSync(path, 'latin1') : undefined
}
