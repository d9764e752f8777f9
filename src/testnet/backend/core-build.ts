/**
 * Builds of the core: this one, and others that nodes of a network name with `core:`, each a checkout or an installed
 * version of this package. In simulations and inline their `dist/core.js` is loaded (see `src/seam`); as processes their
 * `dist/relish-tor.js` runs.
 */

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { asRelishError, RelishError } from '../../core/base/errors.ts'
import { programVersion } from '../../core/base/version.ts'
import type { TorOptions } from '../../core/torrc/option-table.ts'
import { createNode } from '../../node/create-node.ts'
import type { Node, NodeOwner } from '../../node/node.ts'
import type { Runtime } from '../../runtime/index.ts'
import type { ResolvedNetwork, ResolvedNode } from '../network-types.ts'
import { readTorrc } from '../option-changes.ts'
import { builtFolder } from './built-folder.ts'
import { ProcessMemory } from './process-memory.ts'

/** What the nodes of one build are made with. */
export interface CoreBuild {
  readonly version: string
  readTorrc(text: string, name: string): TorOptions
  createNode(runtime: Runtime, options: TorOptions, owner: NodeOwner): Node
}

/** The seam that this build knows: `src/seam/core-seam.ts`. */
const knownSeam = 1

const ownCore: CoreBuild = { version: programVersion, readTorrc: (text, name) => readTorrc(text, name).options, createNode }

/** The builds of a network's nodes. What nodes read is shared among those of one build only. */
export class CoreBuilds {
  /** By path. */
  readonly #others: ReadonlyMap<string, CoreBuild>
  readonly #memories = new Map<CoreBuild, ProcessMemory>()

  private constructor(others: ReadonlyMap<string, CoreBuild>) {
    this.#others = others
  }

  /** Throws `config` when a build is not there or cannot be used. */
  static async load(network: Pick<ResolvedNetwork, 'nodes'>): Promise<CoreBuilds> {
    const paths = new Set(network.nodes.flatMap((node) => node.core ?? []))
    const builds = await Promise.all([...paths].map(async (path) => [path, await loadCore(path)] as const))
    return new CoreBuilds(new Map(builds))
  }

  of(node: Pick<ResolvedNode, 'core'>): CoreBuild {
    if (node.core === undefined) return ownCore
    const build = this.#others.get(node.core)
    if (build === undefined) throw new RelishError('unavailable', `${node.core} was not loaded when the network was made`)
    return build
  }

  /** Of the nodes of this build. */
  ownMemory(): ProcessMemory {
    return this.memoryOf(ownCore)
  }

  memoryOf(build: CoreBuild): ProcessMemory {
    const known = this.#memories.get(build)
    if (known !== undefined) return known
    const made = new ProcessMemory()
    this.#memories.set(build, made)
    return made
  }
}

async function loadCore(path: string): Promise<CoreBuild> {
  const file = join(builtFolder(path), 'core.js')
  let loaded: { readonly default?: unknown }
  try {
    loaded = (await import(pathToFileURL(file).href)) as { readonly default?: unknown }
  } catch (thrown) {
    throw new RelishError('config', `${file} cannot be loaded: ${thrown instanceof Error ? thrown.message : String(thrown)}`, { cause: thrown })
  }
  const core = (loaded.default ?? loaded) as Partial<CoreBuild> & { readonly seam?: unknown }
  if (core.seam !== knownSeam || core.createNode === undefined || core.readTorrc === undefined) {
    throw new RelishError('config', `${path} cannot run nodes for this build: it has seam ${String(core.seam)}, and this one has ${knownSeam}`, {
      hint: 'run it by its own relish, or take a version of it that is nearer to this one',
    })
  }
  const { createNode: make, readTorrc: read } = core
  return {
    version: core.version ?? 'of unknown version',
    readTorrc: (text, name) => ownErrors(() => read(text, name)),
    createNode: (runtime, options, owner) => ownErrors(() => make(runtime, options, owner)),
  }
}

/** What the other build throws is no class of ours; its words are about the configuration. */
function ownErrors<T>(call: () => T): T {
  try {
    return call()
  } catch (thrown) {
    const foreign = thrown as { readonly kind?: unknown }
    throw foreign.kind === 'config' && thrown instanceof Error ? new RelishError('config', thrown.message, { cause: thrown }) : asRelishError(thrown)
  }
}
