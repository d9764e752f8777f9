/** The built-in checks by name, in the order in which they run: the cheap and telling ones first. */
export const builtInCheckNames: readonly string[] = Object.freeze([
  'echo',
  'exit-seen',
  'path',
  'consensus',
  'no-relay-knows-both',
  'policy',
  'resolve',
  'socks-matrix',
  'concurrent',
  'bulk',
  'tls-only',
])
