/** The consensus as a node keeps it, read by its text alone: nodes do not run then, and whether it verifies is their affair. */

import { parseIsoTime, type WallMs } from '../core/base/time.ts'

/** In which a node, of C tor as well, keeps its consensus of each flavour. */
export const consensusFiles = ['cached-consensus', 'cached-microdesc-consensus'] as const

/** Undefined for what is no consensus. */
export function consensusTimes(text: string): { readonly validAfter: WallMs; readonly freshUntil: WallMs; readonly validUntil: WallMs } | undefined {
  const [validAfter, freshUntil, validUntil] = ['valid-after', 'fresh-until', 'valid-until'].map((keyword) => parseIsoTime(new RegExp(`^${keyword} (.*)$`, 'm').exec(text)?.[1] ?? ''))
  return validAfter === undefined || freshUntil === undefined || validUntil === undefined ? undefined : { validAfter, freshUntil, validUntil }
}
