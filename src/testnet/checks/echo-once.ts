/** One line there and back through the network: the shortest proof that a stream works. */

import { bytesEqual, utf8Encode } from '../../core/base/encoding.ts'
import type { WorldStream } from '../world-stream.ts'
import { CheckFailure } from './expect.ts'

/** Throws `CheckFailure` if another line comes back, and what the stream throws if none does. */
export async function echoOnce(stream: WorldStream, line: string): Promise<void> {
  const sent = utf8Encode(`${line}\n`)
  await stream.write(sent.slice())
  if (!bytesEqual(await stream.readExactly(sent.length), sent)) throw new CheckFailure(`"${line}" came back changed`)
}
