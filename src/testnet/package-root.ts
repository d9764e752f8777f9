/** Where the package's own files (networks, templates, programs) are, whether run from `src` or from `dist`. */

import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RelishError } from '../core/base/errors.ts'

/** The folder that holds `package.json`, `networks`, `templates` and `dist`. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    if (existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'networks'))) return folder
    const parent = dirname(folder)
    if (parent === folder) throw new RelishError('local-io', 'the files of this installation are incomplete: no networks folder beside the programs')
    folder = parent
  }
}

/** The folder of the bundled programs: the one this code runs from, or `dist` when it runs from `src`. */
export function programFolder(): string {
  const folder = dirname(fileURLToPath(import.meta.url))
  return existsSync(join(folder, 'relish-tor.js')) ? folder : join(packageRoot(), 'dist')
}
