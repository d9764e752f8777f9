/** Names of nodes, as errors tell them. */

import { RelishError } from '../core/base/errors.ts'
import { nearest } from '../core/base/nearest.ts'
import { shownNodesMax } from './limits.ts'

/** The first names, and how many more there are. */
export const listed = (names: readonly string[]): string => (names.length <= shownNodesMax ? names.join(', ') : `${names.slice(0, shownNodesMax).join(', ')} and ${names.length - shownNodesMax} more`)

/** For a name that nobody has: what was probably meant, or who there is. */
export function noSuchNode(name: string, known: readonly string[], what = 'node'): RelishError {
  const meant = nearest(name, known)
  return new RelishError('config', `there is no ${what} ${name}`, { hint: meant === undefined ? `nodes: ${listed(known)}` : `did you mean ${meant}?` })
}
