/**
 * Consensus diffs (dir-spec §4.5, appendix E): what to change in a consensus to have a later one. A diff is bound to both
 * by digests, and proves nothing: its result is parsed and verified like any other consensus.
 *
 *     network-status-diff-version 1
 *     hash FROM TO          FROM: SHA3-256 of the signed part of the base; TO: SHA3-256 of the whole result; hexadecimal
 *     120,$d                the signatures go first
 *     87,88c                and so on towards the first line
 *     …
 *     .
 */

import { bytesEqual, hexDecode, hexEncodeUpper, latin1Encode } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import { sha3_256 } from '../crypto/hashes.ts'
import { signedTextOf } from './consensus.ts'
import { applyEdCommands, generateEdCommands } from './ed-diff.ts'
import { maxConsensusLength } from './limits.ts'

const versionLine = 'network-status-diff-version 1'

/** SHA3-256 of the signed part of a consensus, by which requests for diffs name it (dir-spec §4.5.2). */
export function digestAsSigned(consensus: string): Uint8Array {
  return sha3_256(latin1Encode(signedTextOf(consensus)))
}

/** Whether a directory that was asked for a consensus has answered with a diff. */
export function isConsensusDiff(text: string): boolean {
  return text.startsWith(versionLine)
}

/** The diff from one consensus to another, both as received. Undefined when there can be none: send the consensus itself. */
export function generateConsensusDiff(base: string, target: string): string | undefined {
  const baseLines = splitLines(base)
  const targetLines = splitLines(target)
  if (baseLines === undefined || targetLines === undefined) return undefined
  // Signatures are not signed themselves: the receiver's copy of the base may have others, so all go (dir-spec appendix E).
  const signatures = baseLines.findIndex((line) => line.startsWith('directory-signature '))
  const kept = signatures < 0 ? baseLines : baseLines.slice(0, signatures)
  const commands = generateEdCommands(kept, targetLines, relayIdentity)
  if (commands === undefined) return undefined
  const lines = [
    versionLine,
    `hash ${hexEncodeUpper(digestAsSigned(base))} ${hexEncodeUpper(sha3_256(latin1Encode(target)))}`,
    ...(signatures < 0 ? [] : [`${signatures + 1},$d`]),
    ...commands,
  ]
  return `${lines.join('\n')}\n`
}

/** The consensus that `diff` makes of `base`. Throws `bad-document` when the diff is malformed or about another consensus. */
export function applyConsensusDiff(base: string, diff: string): string {
  if (diff.length > maxConsensusLength) throw new RelishError('limit', `a consensus diff has at most ${maxConsensusLength} characters`)
  const [version, hash, ...commands] = splitLines(diff) ?? []
  if (version !== versionLine) throw new RelishError('bad-document', 'a consensus diff of an unknown version')
  const digests = /^hash ([0-9A-Fa-f]{64}) ([0-9A-Fa-f]{64})$/.exec(hash ?? '')
  if (digests === null) throw new RelishError('bad-document', 'a consensus diff without its two digests', { position: { line: 2 } })
  if (!bytesEqual(hexDecode(digests[1] ?? ''), digestAsSigned(base))) throw new RelishError('bad-document', 'a consensus diff from another consensus than ours')
  const baseLines = splitLines(base)
  if (baseLines === undefined) throw new RelishError('bad-document', 'the consensus to change does not end with a newline')
  const result = `${applyEdCommands(baseLines, commands).join('\n')}\n`
  if (result.length > maxConsensusLength) throw new RelishError('limit', `a consensus has at most ${maxConsensusLength} characters`)
  if (!bytesEqual(hexDecode(digests[2] ?? ''), sha3_256(latin1Encode(result)))) throw new RelishError('bad-document', 'a consensus diff that does not make what it says')
  return result
}

/** Undefined when the last line has no end. */
function splitLines(text: string): string[] | undefined {
  return text.endsWith('\n') ? text.slice(0, -1).split('\n') : undefined
}

/** Relays are sorted by identity in every consensus (dir-spec §3.8.1), which is what aligns two of them. */
function relayIdentity(line: string): string | undefined {
  return line.startsWith('r ') ? line.split(' ', 3)[2] : undefined
}
