/** Which checks words stand for: names, tags, everything, modules; and the part of them that one of several machines runs. */

import { RelishError } from '../../core/base/errors.ts'
import { suggestion } from '../../core/base/nearest.ts'
import type { Check } from '../checks/check.ts'
import { builtInChecks, loadChecks } from '../checks/load-checks.ts'
import { builtInCheckNames } from '../checks/names.ts'
import { inOrder } from '../checks/run-checks.ts'
import type { Selection, Shard, Suite, SuiteSettings } from './suite.ts'

export const isModulePath = (word: string): boolean => /[/\\]/.test(word) || /\.[cm]?js$/.test(word)

const tagsOf = (): string[] => [...new Set(builtInChecks.flatMap((check) => check.tags))].sort()

/** What is wrong with a word that is to stand for checks; undefined if nothing is. */
export function selectorComplaint(word: string): { readonly message: string; readonly notes: readonly string[] } | undefined {
  if (word === 'all' || word === 'network' || isModulePath(word) || builtInCheckNames.includes(word) || tagsOf().includes(word.replace(/^tag:/, ''))) return undefined
  if (word.startsWith('tag:')) return { message: `no check has the tag "${word.slice(4)}"`, notes: [...suggestion(word.slice(4), tagsOf()), `tags: ${tagsOf().join(', ')}`] }
  return { message: `there is no check and no tag "${word}"`, notes: [...suggestion(word, [...builtInCheckNames, ...tagsOf()]), `checks: ${builtInCheckNames.join(', ')}`, `tags: ${tagsOf().join(', ')}`] }
}

/** A name means the check of that name; a word that is no name means a tag. */
const fits = (word: string, check: Check): boolean =>
  check.name === word || check.source === word || word === 'all' || (word.startsWith('tag:') ? check.tags.includes(word.slice(4)) : !builtInCheckNames.includes(word) && check.tags.includes(word))

/** The suite's checks, loaded, for a network whose file names `networkChecks`. Throws `config` for words that mean nothing, and when nothing is left. */
export async function loadSuiteChecks(settings: SuiteSettings, networkChecks: readonly string[], selection: Selection): Promise<Suite> {
  const chosen = await expand(settings.checks, networkChecks)
  const only = selection.only ?? []
  const skip = [...settings.skip, ...(selection.skip ?? [])]
  for (const word of [...only, ...skip]) {
    const complaint = chosen.some((check) => fits(word, check)) ? undefined : selectorComplaint(word)
    if (complaint !== undefined) throw new RelishError('config', complaint.message, { hint: complaint.notes.join('; ') })
  }
  const added = await expand(only.filter((word) => isModulePath(word) && !chosen.some((check) => check.source === word)), networkChecks)
  const wanted = [...chosen, ...added].filter((check) => (only.length === 0 || only.some((word) => fits(word, check))) && !skip.some((word) => fits(word, check)))
  if (wanted.length === 0) {
    throw new RelishError('config', `no check is left of the suite ${settings.name}`, { hint: `it has ${chosen.map((check) => check.name).join(', ')}; --suite full has all there are` })
  }
  const { name, description, retries, patienceMs, memoryMb, expectedWarnings } = settings
  return { name, description, retries, patienceMs, memoryMb, expectedWarnings, checks: shardOf(inOrder(wanted), selection.shard) }
}

async function expand(words: readonly string[], networkChecks: readonly string[]): Promise<Check[]> {
  const names = words.flatMap((word): readonly string[] => {
    if (word === 'network') return networkChecks
    if (word === 'all') return builtInCheckNames
    if (builtInCheckNames.includes(word) || isModulePath(word)) return [word]
    const tag = word.replace(/^tag:/, '')
    return builtInChecks.filter((check) => check.tags.includes(tag)).map((check) => check.name)
  })
  return loadChecks([...new Set(names)])
}

/** Every n-th check, so that the long ones of one kind, which stand together, are spread. May be empty for more shards than checks. */
export const shardOf = (checks: readonly Check[], shard: Shard | undefined): Check[] => checks.filter((_, index) => shard === undefined || index % shard.count === shard.index - 1)

/** `2/4`. Throws `config`. */
export function parseShard(text: string): Shard {
  const match = /^(\d{1,4})\/(\d{1,4})$/.exec(text)
  const shard = { index: Number(match?.[1]), count: Number(match?.[2]) }
  if (match === null || shard.index < 1 || shard.index > shard.count) throw new RelishError('config', `"${text}" is no shard`, { hint: 'shards are 1/4, 2/4, 3/4, 4/4' })
  return shard
}
