/** What nobody reads stops its sender, through real sockets and every node on the way, before memory grows. */

import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launch, type Network } from '../../src/library/index.ts'

const piece = new Uint8Array(64 * 1024)
/** More than the kernel's buffers of four connections and the windows on the way could hold together. */
const enoughBytes = 96 * 1024 * 1024
/** All nodes are in this process, and so is the server. */
const heldBytesMax = 48 * 1024 * 1024
const stuckMs = 1000

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
/** Of buffers that are in use: what waits for the collector says how long ago it ran, not what is held. */
function bufferBytes(): number {
  collectGarbage()
  return process.memoryUsage().arrayBuffers
}

let net: Network
beforeAll(async () => {
  net = await launch('basic-min', { world: 'inline', set: { genesis: 'warm' } })
})
afterAll(() => net.close())

/** Writes until nothing is taken for a while, and answers the bytes; all of `enoughBytes` when it never stops. */
async function writeUntilStuck(stream: Duplex): Promise<number> {
  for (let written = piece.length; written < enoughBytes; written += piece.length) {
    if (stream.write(piece)) continue
    let timer: NodeJS.Timeout | undefined
    const stuck = new Promise<'stuck'>((resolve) => (timer = setTimeout(() => resolve('stuck'), stuckMs)))
    const outcome = await Promise.race([once(stream, 'drain'), stuck])
    clearTimeout(timer)
    if (outcome === 'stuck') return written
  }
  return enoughBytes
}

test('an application that does not read what comes back is stopped writing; all is there when it reads', async () => {
  const sink = await net.sink()
  const stream = await net.client().connect(sink.host, sink.echoPort)
  const before = bufferBytes()
  const written = await writeUntilStuck(stream)
  expect(written).toBeLessThan(enoughBytes)
  expect(bufferBytes() - before).toBeLessThan(heldBytesMax)
  let read = 0
  stream.on('data', (chunk: Uint8Array) => (read += chunk.length))
  while (read < written) await once(stream, 'data')
  expect(read).toBe(written)
  stream.destroy()
}, 60_000)
