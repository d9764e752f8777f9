/** What the environment of a program that starts nodes means for them. */

/**
 * Blocks of megabytes come from the heap, and the heap keeps what is free at its end: with the defaults of the C library,
 * buffers of 64 KiB that come and go are given back to the kernel each time, which clears the pages that it gives again.
 */
const memoryKept = Object.freeze({ MALLOC_MMAP_THRESHOLD_: String(4 * 1024 * 1024), MALLOC_TRIM_THRESHOLD_: String(16 * 1024 * 1024) })

/**
 * The environment without what would change how Node.js itself behaves in a child. With certificates of its own to trust,
 * Node.js reads all those of the public web whenever it starts, which takes longer than the rest of its start; nodes ask nobody to vouch for
 * a certificate.
 */
export function nodeEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, NODE_V8_COVERAGE: _coverage, NODE_EXTRA_CA_CERTS: _certificates, ...rest } = environment
  return { ...memoryKept, ...rest }
}

/** `RELISH_TOR` names another build of `relish-tor` to run nodes with; undefined if it does not. `nodeCommand` says how Node.js runs a script. */
export function nodeProgramFrom(path: string | undefined, nodeCommand: (script: string) => readonly [string, ...string[]]): readonly [string, ...string[]] | undefined {
  if (path === undefined || path === '') return undefined
  return /\.[cm]?js$/.test(path) ? nodeCommand(path) : [path]
}
