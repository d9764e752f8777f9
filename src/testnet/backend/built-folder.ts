/** Where the programs of another build are. Apart from what loads them, which brings a whole node along. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { RelishError } from '../../core/base/errors.ts'

/** The folder of built programs of a checkout, an installed package, or that folder itself. Throws `config`. */
export function builtFolder(path: string): string {
  for (const folder of [join(path, 'dist'), path, join(path, 'node_modules/tor-relish/dist')]) {
    if (existsSync(join(folder, 'relish-tor.js')) && existsSync(join(folder, 'core.js'))) return folder
  }
  const there = existsSync(join(path, 'package.json'))
  throw new RelishError('config', there ? `${path} is not built` : `${path} is no checkout or installed version of this package`, {
    hint: there ? 'run `npm install` there, which builds it' : 'core: names the folder that has its package.json',
  })
}
