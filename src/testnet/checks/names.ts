/** The built-in checks by name. */

/** Those that a network file gets which names none, in the order in which they run: the cheap and telling ones first. */
export const defaultCheckNames: readonly string[] = Object.freeze([
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

/** All that there are; the suite `full` is these. Those that disturb the network come last. */
export const builtInCheckNames: readonly string[] = Object.freeze([
  ...defaultCheckNames,
  'promises',
  'families',
  'policies',
  'bandwidth-weights',
  'majority-rule',
  'hup-keeps-streams',
  'guards-restart',
  'identity-restart',
  'relay-killed',
  'authority-majority',
  'authority-minority',
])
