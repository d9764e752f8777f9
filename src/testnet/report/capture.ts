/** What nodes hold and do at the moment of a failure, asked for while it is still so. What a node does not tell is left out. */

import type { NodeInspection } from '../../runtime/events.ts'
import type { NodeStatus, RunningNetwork } from '../backend/backend.ts'

export interface CapturedNode {
  readonly status: NodeStatus
  /** Circuits, streams, links. Absent where it does not run, or does not answer. */
  readonly inspection?: NodeInspection
}

export interface Captured {
  /** The check that failed; `start` when the network did not come up. */
  readonly at: string
  readonly atMs: number
  readonly wall: string
  readonly nodes: { readonly [name: string]: CapturedNode }
  /** Texts of documents by node and name. */
  readonly documents: { readonly [node: string]: { readonly [name: string]: string } }
}

const documentNames = ['consensus', 'consensus-microdesc', 'certificates', 'votes', 'descriptor'] as const

/** `withDocuments`: once is enough for most failures. */
export async function capture(network: RunningNetwork, at: string, withDocuments: boolean): Promise<Captured> {
  const nodes: { [name: string]: CapturedNode } = {}
  const documents: { [node: string]: { [name: string]: string } } = {}
  await Promise.all(
    network.nodes().map(async ({ name }) => {
      const inspection = await answerOr(network.inspect(name))
      nodes[name] = { status: network.status(name), ...(inspection === undefined ? {} : { inspection }) }
      if (!withDocuments || inspection === undefined) return
      const texts = await Promise.all(documentNames.map(async (document) => [document, await answerOr(network.command(name, { command: 'document', name: document }))] as const))
      documents[name] = Object.fromEntries(texts.flatMap(([document, text]) => (typeof text === 'string' ? [[document, text]] : [])))
    }),
  )
  return { at, atMs: network.clock.now(), wall: new Date(network.clock.wallNow()).toISOString(), nodes, documents }
}

/** A node that is gone, or stuck, is part of the story and no obstacle to it. */
const answerOr = <T>(answer: Promise<T>): Promise<T | undefined> => answer.catch(() => undefined)
