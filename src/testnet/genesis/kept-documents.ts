/**
 * Whether nodes still have all that a warm genesis would make for them: documents of the run before, which are as good. It is found out
 * from the files' text, without reading documents as nodes do, and where anything is unusual the answer is no: new ones are made then.
 *
 * Not judged here: whether torrcs have changed.
 */

import { latin1Decode } from '../../core/base/encoding.ts'
import { later, seconds, type WallMs } from '../../core/base/time.ts'
import type { FileStore } from '../../runtime/index.ts'
import { consensusFiles, consensusTimes } from '../consensus-files.ts'
import { isRelay, type ResolvedNode } from '../network-types.ts'

const freshFor = seconds(60)

export interface KeptFiles {
  readonly node: ResolvedNode
  readonly files: Pick<FileStore, 'read'>
}

/** `nodes`: all of the network. */
export function hasFirstDocuments(nodes: readonly KeptFiles[], now: WallMs): boolean {
  const relays = nodes.filter(({ node }) => isRelay(node))
  // Relays of later phases are no part of the network when it begins, and were in the end of the run before.
  if (new Set(relays.map(({ node }) => node.phase)).size !== 1) return false
  const names = relays.map(({ node }) => node.name)
  const consensuses = new Map<string, string>()
  return nodes.every((one) => {
    const { node } = one
    const kept = consensusFiles.flatMap((file) => {
      const text = textOf(one, file)
      return text === undefined ? [] : [[file, text] as const]
    })
    // A relay may be asked for each.
    if (kept.length < (isRelay(node) ? consensusFiles.length : 1)) return false
    for (const [file, text] of kept) {
      const known = consensuses.get(file)
      if (known === undefined) {
        if (!isFresh(text, now) || !listsJust(text, names)) return false
        consensuses.set(file, text)
      } else if (text !== known) return false
    }
    if (isRelay(node) && one.files.read('keys/secret_id_key') === undefined) return false
    return node.role === 'authority' ? names.every((name) => descriptors(one).includes(`\nrouter ${name} `)) : microdescriptors(one) >= names.length
  })
}

/** With one that is not, nodes would ask for the next as soon as they start. Nor should the next vote come in the middle of a usual run. */
function isFresh(consensus: string, now: WallMs): boolean {
  const times = consensusTimes(consensus)
  return times !== undefined && times.validAfter <= now && later(now, freshFor) < times.freshUntil
}

/** Whether these relays and no others are in a consensus, and each of them is Running. */
function listsJust(consensus: string, names: readonly string[]): boolean {
  const listed = [...consensus.matchAll(/^r (\S+) .*\n(?:(?!r ).*\n)*?s (.*)$/gm)]
  return listed.length === names.length && listed.every(([, name = '', flags = '']) => names.includes(name) && flags.split(' ').includes('Running'))
}

/** Journals included, as nodes read them. */
const descriptors = (one: KeptFiles): string => `\n${textOf(one, 'cached-descriptors') ?? ''}\n${textOf(one, 'cached-descriptors.new') ?? ''}`

const microdescriptors = (one: KeptFiles): number => ['cached-microdescs', 'cached-microdescs.new'].reduce((sum, file) => sum + (textOf(one, file)?.match(/^onion-key$/gm)?.length ?? 0), 0)

function textOf(one: KeptFiles, file: string): string | undefined {
  const bytes = one.files.read(file)
  return bytes === undefined ? undefined : latin1Decode(bytes)
}
