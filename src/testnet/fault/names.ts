/** What a word of a fault, an action or an expectation means. */

import { isRelay, type ResolvedNetwork, type ResolvedNode } from '../network-types.ts'

/** The nodes of that name, group or role; `*` is all of them, `relays` all that relay. */
export const namesOf = (network: ResolvedNetwork, word: string): readonly string[] => network.nodes.filter((node) => means(word, node)).map((node) => node.name)

const means = (word: string, node: ResolvedNode): boolean => word === '*' || word === node.name || word === node.group || word === node.role || (word === 'relays' && isRelay(node))
