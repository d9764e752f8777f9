/**
 * A warm start: every node finds the first consensus, and what belongs to it, in its data directory before it starts, as
 * if it had been there for the first vote and was restarted since. Voting goes on at its usual times.
 */

import { latin1Encode } from '../../core/base/encoding.ts'
import { RelishError, asRelishError } from '../../core/base/errors.ts'
import { durationMs, wallToSec, type WallMs } from '../../core/base/time.ts'
import { torVersion } from '../../core/base/version.ts'
import { loadOrCreateRelayKeys, type RelayKeys } from '../../core/cert/relay-keys.ts'
import { emitRelayHistories } from '../../core/dirvote/relay-history-file.ts'
import { emitSharedRandomState } from '../../core/dirvote/shared-random-state.ts'
import type { TorOptions } from '../../core/torrc/option-table.ts'
import { readCertificate, sharedRandomFile } from '../../node/authority.ts'
import { stabilityFile } from '../../node/authority-relays.ts'
import { DirCacheFiles } from '../../node/dir-cache-files.ts'
import { dirRoles } from '../../node/dir-sources.ts'
import type { OwnDocuments } from '../../node/own-descriptor.ts'
import type { FileStore, Log, WorkMemory } from '../../runtime/index.ts'
import { isRelay, type ResolvedNetwork } from '../network-types.ts'
import { readTorrc } from '../option-changes.ts'
import type { NodePlacement } from '../placement.ts'
import type { KeyWorkshop } from '../prepare-keys.ts'
import { makeFirstDocuments, makeFirstRelay, type FirstDocuments, type FirstRelay } from './first-documents.ts'

export interface WarmGenesisInput {
  readonly network: ResolvedNetwork
  readonly nodes: readonly NodePlacement[]
  readonly workshop: KeyWorkshop
  readonly torrcOf: (placed: NodePlacement) => string
  /** Of nodes that run in this process: what they read here is checked when it is made. */
  readonly memory?: WorkMemory
}

/** Makes all keys that are missing and the first documents, and puts them into the nodes' data directories. Starts nothing. */
export async function prepareWarmGenesis(input: WarmGenesisInput): Promise<void> {
  if (input.network.nodes.some((node) => node.role === 'authority' && node.implementation !== 'relish')) {
    // They vote only on relays that they have tested since they started, and the network waits for that.
    throw new RelishError('config', 'a network with authorities that C tor runs begins with a vote', { hint: 'use genesis: cold, or authorities of relish; other nodes may be run by C tor' })
  }
  const firstPhase = Math.min(...input.network.nodes.map((node) => node.phase))
  const options = new Map(input.nodes.map((placed) => [placed.node.name, optionsOf(input.torrcOf(placed), placed)]))
  const optionsOfNode = (placed: NodePlacement): TorOptions => options.get(placed.node.name) ?? optionsOf(input.torrcOf(placed), placed)
  // Relays of later phases are no part of the network when it begins.
  const present = input.nodes.filter((placed) => isRelay(placed.node) && placed.node.phase === firstPhase)
  // What each says of itself is made while others wait for their keys.
  const relays = await Promise.all(present.map(async (placed) => firstRelay(placed, optionsOfNode(placed), input)))
  const documents = makeFirstDocuments(relays, input.workshop.now, input)
  for (const placed of input.nodes) {
    if (isRelay(placed.node) && !present.includes(placed)) continue
    fill(input.workshop.files(placed), placed, optionsOfNode(placed), documents, relays.find((one) => one.name === placed.node.name)?.own, input.workshop.now)
  }
}

function optionsOf(torrc: string, placed: NodePlacement): TorOptions {
  try {
    return readTorrc(torrc, placed.node.name).options
  } catch (thrown) {
    const error = asRelishError(thrown)
    if (error.kind === 'bug' || placed.node.implementation === 'relish') throw error
    throw new RelishError('config', `a warm genesis needs to understand all torrcs: ${error.message}`, { hint: 'use a cold one' })
  }
}

async function firstRelay(placed: NodePlacement, options: TorOptions, { workshop }: WarmGenesisInput): Promise<FirstRelay> {
  const files = workshop.files(placed)
  const rng = workshop.rng(placed)
  let generated = 0
  const keys = await new Promise<RelayKeys>((resolve, reject) => {
    loadOrCreateRelayKeys(
      files,
      {
        nickname: placed.node.name,
        now: workshop.now,
        rng,
        generateRsaKey: (bits, onKey) => void workshop.generate(placed, `relay key ${++generated}`, bits).then(onKey, reject),
        signingKeyLifetime: durationMs(options.SigningKeyLifetime),
        signingKeySlop: durationMs(options.TestingSigningKeySlop),
      },
      (result) => (result instanceof RelishError ? reject(result.within(`keys of ${placed.node.name}`)) : resolve(result)),
    )
  })
  const authority = placed.node.role === 'authority' ? readCertificate({ files, wallNow: () => workshop.now }) : undefined
  return makeFirstRelay({ name: placed.node.name, options, authority, rng }, keys, workshop.now)
}

const silentLog: Log = Object.freeze({ enabled: () => false, write: () => undefined })

function fill(files: FileStore, placed: NodePlacement, options: TorOptions, documents: FirstDocuments, own: OwnDocuments | undefined, now: WallMs): void {
  const { role } = placed.node
  const cache = new DirCacheFiles({ files, log: silentLog })
  const { caches, usableFlavour } = dirRoles(options)
  const { consensuses } = documents
  cache.writeCertificates(documents.certificates)
  for (const flavour of ['ns', 'microdesc'] as const) if (caches || flavour === usableFlavour) cache.writeConsensus(consensuses[flavour])
  const listed = new Set(consensuses.microdesc.relays.map((relay) => relay.microdescriptorDigest))
  // A cache fetches those of others when it has time, as after any start.
  const held = role === 'authority' || usableFlavour === 'ns' ? documents.own : own === undefined ? [] : [own]
  cache.replaceDescriptors({
    microdescriptors: documents.microdescriptors.filter((one) => listed.has(one.digestBase64)).map((document) => ({ document, lastListed: now })),
    descriptors: held.map((one) => one.descriptor),
    extraInfos: held.map((one) => one.extraInfo),
  })
  const sharedRandom = documents.sharedRandom.get(placed.node.name)
  if (sharedRandom !== undefined) files.write(sharedRandomFile, latin1Encode(emitSharedRandomState(sharedRandom.record(), torVersion, now)))
  if (role === 'authority') files.write(stabilityFile, latin1Encode(emitRelayHistories(documents.histories, wallToSec(now))))
}
