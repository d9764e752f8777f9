/**
 * The inner loop of a middle relay, without sockets: bytes of a link into batches, one layer off, back into bytes. Prints
 * nanoseconds a cell: the fastest tenth of many short rounds, which is what the code takes where nothing else has the core, and
 * the median, which says how much else there was.
 *
 * `npm run bench` runs it with `--json`: then it prints one list of `{ name, nsPerCell }`.
 *
 *     npx esbuild bench/relay-path.ts --bundle --platform=node --format=esm | node --input-type=module
 */

import { SeededRng } from '../src/core/base/rng.ts'
import { isRelayBatch, relayBatch } from '../src/core/cell/cell.ts'
import { CellSpace } from '../src/core/cell/cell-space.ts'
import { FrameDecoder } from '../src/core/cell/frame-decoder.ts'
import { FrameWriter } from '../src/core/cell/frame-writer.ts'
import { CELL_BODY_BYTES } from '../src/core/cell/limits.ts'
import { TOR1_KEY_BYTES, Tor1ClientLayer, Tor1RelayLayer } from '../src/core/proto/relaycrypt/tor1.ts'

const RECORD_BYTES = 16 * 1024
const CELLS = 31 * 64
const WARM_UP_ROUNDS = 60
const ROUNDS = 300

const asJson = process.argv.includes('--json')
const found: { readonly name: string; readonly nsPerCell: number }[] = []
const rng = new SeededRng('bench')
/** As in a node. */
const space = new CellSpace()
const writer = new FrameWriter()
writer.useLinkProtocol(5)
writer.writeRelayBatch(relayBatch(0x80000001, rng.bytes(CELLS * CELL_BODY_BYTES)))
const link = writer.take()

/** One pass over the link's bytes; answers nanoseconds a cell. */
function measure(pass: (chunk: Uint8Array) => void): number {
  const before = process.hrtime.bigint()
  for (let at = 0; at < link.length; at += RECORD_BYTES) pass(link.subarray(at, at + RECORD_BYTES))
  return Number(process.hrtime.bigint() - before) / CELLS
}

function report(what: string, makePass: () => (chunk: Uint8Array) => void): void {
  const pass = makePass()
  for (let i = 0; i < WARM_UP_ROUNDS; i++) measure(pass)
  const times = Array.from({ length: ROUNDS }, () => measure(pass)).sort((a, b) => a - b)
  const [fast, median] = [times[Math.floor(ROUNDS / 10)] ?? 0, times[ROUNDS >> 1] ?? 0]
  found.push({ name: what, nsPerCell: fast })
  if (!asJson) console.log(`${what}: ${fast.toFixed(0)} ns a cell (median ${median.toFixed(0)}), ${(CELL_BODY_BYTES / fast * 1000).toFixed(0)} MB/s`)
}

function decoding(handle: (payloads: Uint8Array) => void): (chunk: Uint8Array) => void {
  const decoder = new FrameDecoder(space.bodies)
  decoder.useLinkProtocol(5)
  return (chunk) => {
    decoder.push(chunk)
    for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) if (isRelayBatch(frame)) handle(frame.payloads)
  }
}

report('decode only', () => decoding(() => undefined))

report('middle relay: decode, decipher, write', () => {
  const layer = new Tor1RelayLayer(rng.bytes(TOR1_KEY_BYTES))
  const out = new FrameWriter(space.frames)
  out.useLinkProtocol(5)
  return decoding((payloads) => {
    const { passing } = layer.decryptForward(payloads)
    if (passing !== undefined) out.writeRelayBatch(relayBatch(7, passing))
    out.take()
  })
})

report('origin of cells: digest, encipher, write', () => {
  const layer = new Tor1ClientLayer(rng.bytes(TOR1_KEY_BYTES))
  const out = new FrameWriter(space.frames)
  out.useLinkProtocol(5)
  return decoding((payloads) => {
    out.writeRelayBatch(relayBatch(7, layer.originateForward(payloads).payloads))
    out.take()
  })
})

report('end of cells: originate at one side, recognise at the other', () => {
  const keys = rng.bytes(TOR1_KEY_BYTES)
  const client = new Tor1ClientLayer(keys)
  const relay = new Tor1RelayLayer(keys)
  return decoding((payloads) => {
    for (let at = 0; at < payloads.length; at += CELL_BODY_BYTES) payloads.fill(0, at + 1, at + 9)
    relay.decryptForward(client.originateForward(payloads).payloads)
  })
})

if (asJson) console.log(JSON.stringify(found))
