/** Holds the quick reader of relay entries against the careful one, which alone says what is right. */

import { deepStrictEqual, strictEqual } from 'node:assert'
import { RelishError } from '../../src/core/base/errors.ts'
import { Cursor } from '../../src/core/netdoc/metaformat.ts'
import { QuickRouterStatusReader } from '../../src/core/netdoc/quick-router-status.ts'
import { RouterStatusReader, type RouterStatus } from '../../src/core/netdoc/router-status.ts'

/**
 * Reads the entries of a consensus from its first `r` line to `end` with both readers, up to the first that the careful one refuses.
 * Throws where the quick one makes anything else of an entry, or anything at all of one that is refused. Answers how many of the
 * entries it read.
 */
export function compareReaders(text: string, flavour: 'ns' | 'microdesc', end = text.length): { readonly quick: number; readonly careful: number } {
  const start = text.startsWith('r ') ? 0 : text.indexOf('\nr ') + 1
  const quickCursor = new Cursor(text, { start, end })
  const cursor = new Cursor(text, { start, end })
  const quick = new QuickRouterStatusReader(text, Buffer.from(text, 'latin1'), flavour)
  const careful = new RouterStatusReader(flavour)
  const read = { quick: 0, careful: 0 }
  while (cursor.more() && cursor.nextIs('r')) {
    quickCursor.more()
    const found = quick.read(quickCursor)
    const expected = readOrRefuse(careful, cursor)
    if (found !== undefined) {
      deepStrictEqual({ ...found, at: quickCursor.at, line: quickCursor.line }, { ...expected, at: cursor.at, line: cursor.line })
      read.quick++
    }
    if (expected === undefined) break
    read.careful++
    if (found !== undefined) continue
    strictEqual(quickCursor.at <= cursor.at, true)
    quick.learn(expected)
    quickCursor.at = cursor.at
    quickCursor.line = cursor.line
  }
  return read
}

function readOrRefuse(reader: RouterStatusReader, cursor: Cursor): RouterStatus | undefined {
  try {
    return reader.read(cursor)
  } catch (error) {
    if (error instanceof RelishError) return undefined
    throw error
  }
}
