/**
 * What a build of this package offers to another one that runs its nodes: the entry of `dist/core.js`. A network of the
 * other build makes the node's torrc and its Runtime; here is everything else. `seam` goes up when `Runtime`, `NodeOwner`
 * or what is exported here changes so that the two would misunderstand each other.
 */

import { programVersion } from '../core/base/version.ts'
import { buildConfig } from '../core/torrc/config.ts'
import { noIncludes, readConfigText } from '../core/torrc/include.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import { createNode as createOwnNode } from '../node/create-node.ts'
import type { Node, NodeOwner } from '../node/node.ts'
import type { Runtime } from '../runtime/index.ts'
import { adoptRuntime } from './adopted-runtime.ts'

export const seam = 1
export const version = programVersion

/** A torrc without includes, as this build reads it. Throws `config`. */
export function readTorrc(text: string, name: string): TorOptions {
  return buildConfig([readConfigText(text, name, noIncludes)]).options
}

/** `runtime` is the other build's; `options` came from `readTorrc`. */
export function createNode(runtime: Runtime, options: TorOptions, owner: NodeOwner): Node {
  return createOwnNode(adoptRuntime(runtime), options, owner)
}
