/**
 * Takes out of what leaves a machine whatever belongs to the machine and not to the test network: values of environment
 * variables, home and other folders. Keys of nodes never get in, since nobody reads their folders.
 */

export interface Redaction {
  readonly environment: { readonly [name: string]: string | undefined }
  /** Folders by what they are called instead: `{ '/home/me/project': '.' }`. */
  readonly folders: { readonly [path: string]: string }
}

/** Shorter values are words that mean something else wherever they are found. */
const valueCharactersMin = 6

export function makeRedactor(redaction: Redaction): (text: string) => string {
  const replaced = new Map<string, string>()
  for (const [name, value] of Object.entries(redaction.environment)) {
    if (value === undefined) continue
    for (const part of new Set([value, ...value.split('\n')])) if (part.trim().length >= valueCharactersMin) replaced.set(part, `\${${name}}`)
  }
  // Folders are told by what they are for, even if a variable has the same value.
  const folders = new Map(Object.entries(redaction.folders).flatMap(([path, words]) => (path.length > 1 ? [[path, words], [`file://${path}`, words]] as const : [])))
  for (const [path, words] of folders) replaced.set(path, words)
  // The longest first, so that no part of a value is replaced before the whole.
  const values = [...replaced.keys()].sort((a, b) => b.length - a.length)
  if (values.length === 0) return (text) => text
  const patternOf = (value: string): string => {
    const literal = value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    // A folder is one only where its name begins and ends there: /home/me is not in /home/merlin.
    return folders.has(value) ? `(?<![\\w.-])${literal}(?![\\w-])` : literal
  }
  const pattern = new RegExp(values.flatMap((value) => [...new Set([value, JSON.stringify(value).slice(1, -1)])]).map(patternOf).join('|'), 'g')
  const byEscaped = new Map([...replaced].map(([value, words]) => [JSON.stringify(value).slice(1, -1), words]))
  return (text) => text.replace(pattern, (found) => replaced.get(found) ?? byEscaped.get(found) ?? '')
}

/** The same facts with other names for folders in all that is said: `{ '/home/me/project': '.' }`. */
export function withoutFolders<Facts>(facts: Facts, folders: Redaction['folders']): Facts {
  const redact = makeRedactor({ environment: {}, folders })
  return JSON.parse(JSON.stringify(facts, (_key, value: unknown) => (typeof value === 'string' ? redact(value) : value))) as Facts
}
