/** Shell patterns in paths: `*`, `?` and backslash escapes, one path element at a time. A leading dot is matched by a dot only. */

/** Whether `path` has anything to expand. */
export const hasGlob = (path: string): boolean => /(^|[^\\])[*?]/.test(path)

/** Paths that exist and match, sorted. `list` answers with the names in a folder, or undefined for what is no folder. */
export function expandGlob(pattern: string, list: (folder: string) => readonly string[] | undefined): string[] {
  const absolute = pattern.startsWith('/')
  let found = [absolute ? '/' : '']
  const elements = pattern.split('/').filter((element) => element !== '')
  elements.forEach((element, index) => {
    const isLast = index === elements.length - 1
    found = found.flatMap((folder) => matches(folder, element, list).filter((path) => isLast || list(path) !== undefined))
  })
  return found.sort()
}

function matches(folder: string, element: string, list: (folder: string) => readonly string[] | undefined): string[] {
  const prefix = folder === '' || folder.endsWith('/') ? folder : `${folder}/`
  if (!hasGlob(element)) {
    const name = element.replace(/\\(.)/g, '$1')
    if (name === '.' || name === '..') return [prefix + name]
    return (list(folder === '' ? '.' : folder) ?? []).includes(name) ? [prefix + name] : []
  }
  const pattern = toRegExp(element)
  const showDots = element.startsWith('.')
  return (list(folder === '' ? '.' : folder) ?? []).filter((name) => pattern.test(name) && (showDots || !name.startsWith('.'))).map((name) => prefix + name)
}

function toRegExp(element: string): RegExp {
  let source = ''
  for (let i = 0; i < element.length; i++) {
    const character = element[i] ?? ''
    if (character === '*') source += '[^/]*'
    else if (character === '?') source += '[^/]'
    else {
      const literal = character === '\\' ? (element[++i] ?? '\\') : character
      source += literal.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
    }
  }
  return new RegExp(`^${source}$`)
}
