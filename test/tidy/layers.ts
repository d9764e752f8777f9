/**
 * The import table: which folder of `src` may import which. Order inside `core` is the order of layers; a folder may
 * import itself and what its row names. Change this table first, then the code.
 */

const floor = ['core/base'] as const
const bytes = [...floor, 'core/bytes'] as const
const crypto = [...bytes, 'core/crypto'] as const
const ident = [...crypto, 'core/ident'] as const
const cert = [...ident, 'core/cert'] as const
const cell = [...cert, 'core/cell'] as const
const document = [...cert, 'core/netdoc'] as const
const machine = [...cell, 'core/socks', 'core/dirhttp'] as const
const view = [...document, 'core/netdir'] as const

/** Every folder of `core`, for the layers above it. */
const core = [
  'core/base', 'core/bytes', 'core/crypto', 'core/ident', 'core/cert', 'core/cell', 'core/netdoc', 'core/torrc',
  'core/socks', 'core/control', 'core/dirhttp', 'core/proto/channel', 'core/proto/handshake', 'core/proto/relaycrypt',
  'core/proto/circuit', 'core/proto/stream', 'core/proto/flow', 'core/netdir', 'core/dirvote', 'core/relaysel',
  'core/guard', 'core/path', 'core/hs',
] as const

export interface Layer {
  readonly mayImport: readonly string[]
  /** `node:` modules and packages this folder may use. */
  readonly modules: readonly string[]
  /** Synchronous, without clock, randomness or environment of its own. */
  readonly pure: boolean
}

const pureLayer = (mayImport: readonly string[], modules: readonly string[] = []): Layer => ({ mayImport, modules, pure: true })

export const layers: Readonly<Record<string, Layer>> = {
  'core/base': pureLayer([], ['node:crypto']),
  'core/bytes': pureLayer(floor),
  'core/crypto': pureLayer(bytes, ['node:crypto', '@noble/curves', '@noble/hashes', '@noble/ciphers']),
  'core/ident': pureLayer(crypto),
  'core/cert': pureLayer(ident),
  'core/cell': pureLayer(cert),
  'core/netdoc': pureLayer(cert),
  'core/torrc': pureLayer(document),
  'core/socks': pureLayer(ident),
  'core/control': pureLayer([...document, 'core/torrc']),
  'core/dirhttp': pureLayer(bytes, ['node:zlib']),
  'core/proto/channel': pureLayer(machine),
  'core/proto/handshake': pureLayer(machine),
  'core/proto/relaycrypt': pureLayer([...machine, 'core/proto/handshake']),
  'core/proto/flow': pureLayer([...machine, 'core/proto/relaycrypt']),
  'core/proto/stream': pureLayer([...machine, 'core/proto/relaycrypt', 'core/proto/flow']),
  'core/proto/circuit': pureLayer([...machine, 'core/proto/handshake', 'core/proto/relaycrypt', 'core/proto/flow', 'core/proto/stream']),
  'core/netdir': pureLayer(document),
  'core/dirvote': pureLayer(document),
  'core/relaysel': pureLayer(view),
  'core/guard': pureLayer([...view, 'core/relaysel']),
  'core/path': pureLayer([...view, 'core/relaysel', 'core/guard', 'core/torrc']),
  'core/hs': pureLayer([...view, 'core/cell']),
  runtime: pureLayer([...crypto]),
  node: pureLayer([...core, 'runtime'], []),
  seam: { mayImport: [...core, 'runtime', 'node'], modules: [], pure: true },
  host: { mayImport: [...cert, 'runtime'], modules: ['node:net', 'node:tls', 'node:fs', 'node:path', 'node:crypto', 'node:dns', 'node:timers', 'node:os', 'node:process'], pure: false },
  sim: { mayImport: [...cert, 'runtime'], modules: ['node:crypto', 'node:zlib', '@noble/curves'], pure: false },
  trace: { mayImport: [...cell, 'runtime'], modules: ['node:fs', 'node:path', 'node:string_decoder', 'diff'], pure: false },
  testnet: { mayImport: [...core, 'runtime', 'node', 'host', 'sim', 'trace'], modules: ['*'], pure: false },
  library: { mayImport: [...core, 'runtime', 'node', 'host', 'sim', 'trace', 'testnet'], modules: ['*'], pure: false },
  cli: { mayImport: [...core, 'runtime', 'node', 'host', 'sim', 'trace', 'testnet'], modules: ['*'], pure: false },
}
