/** Framing of cells and of batches of relay cells, and relay cell bodies. */

import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { SeededRng } from '../../../src/core/base/rng.ts'
import { fixedCell, isRelayBatch, relayBatch, variableCell, type Cell, type Frame, type RelayCellBatch } from '../../../src/core/cell/cell.ts'
import { CellSpace } from '../../../src/core/cell/cell-space.ts'
import { ChannelCommand, RelayCommand } from '../../../src/core/cell/commands.ts'
import { FrameDecoder } from '../../../src/core/cell/frame-decoder.ts'
import { FrameWriter } from '../../../src/core/cell/frame-writer.ts'
import { CELL_BODY_BYTES, RELAY_BATCH_CELLS_MAX, RELAY_DATA_BYTES_MAX } from '../../../src/core/cell/limits.ts'
import { decodeCerts, decodeNetinfo, decodeVersions } from '../../../src/core/cell/link-messages.ts'
import { encodeRelayMessage, readRelayMessage, relayDataLength, writeRelayMessage } from '../../../src/core/cell/relay-cell.ts'
import { drillStream, expectRefused } from '../../support/codec-drill.ts'

const rng = new SeededRng('frames')

function decoder(linkProtocol: number): { feed(chunk: Uint8Array): Frame[] } {
  const inner = new FrameDecoder()
  inner.useLinkProtocol(linkProtocol)
  return {
    feed(chunk) {
      inner.push(chunk)
      const out: Frame[] = []
      for (let frame = inner.next(); frame !== undefined; frame = inner.next()) out.push(frame)
      return out
    },
  }
}

function encode(linkProtocol: number, frame: Frame): Uint8Array {
  const writer = new FrameWriter()
  writer.useLinkProtocol(linkProtocol)
  if (isRelayBatch(frame)) writer.writeRelayBatch(frame)
  else writer.writeCell(frame)
  return writer.take()
}

const samples: { label: string; value: Frame }[] = [
  { label: 'fixed', value: fixedCell(0x80000001, ChannelCommand.DESTROY, Uint8Array.of(1)) },
  { label: 'one relay cell', value: relayBatch(0xfffffffe, rng.bytes(CELL_BODY_BYTES)) },
  { label: 'variable', value: variableCell(ChannelCommand.CERTS, rng.bytes(700)) },
  { label: 'empty variable', value: variableCell(ChannelCommand.VPADDING, new Uint8Array(0)) },
  { label: 'unknown command', value: { circuitId: 5, command: 77, body: rng.bytes(CELL_BODY_BYTES) } },
]

drillStream('frames of link protocol 4', { encode: (frame: Frame) => encode(4, frame), createDecoder: () => decoder(4) }, samples)
drillStream(
  'frames before versions are agreed',
  { encode: (frame: Frame) => encode(0, frame), createDecoder: () => decoder(0) },
  [
    { value: variableCell(ChannelCommand.VERSIONS, Uint8Array.of(0, 4, 0, 5)), lengthFields: [{ offset: 3, size: 2 }] },
    { value: fixedCell(0xffff, ChannelCommand.NETINFO, rng.bytes(30)) },
  ],
)

/** Joins what belongs together, however it was cut into batches. */
function joined(frames: readonly Frame[]): { circuitId: number; command: number; bodies: string }[] {
  const out: { circuitId: number; command: number; bodies: string }[] = []
  for (const frame of frames) {
    const bodies = Buffer.from(isRelayBatch(frame) ? frame.payloads : frame.body).toString('hex')
    const last = out.at(-1)
    if (isRelayBatch(frame) && last?.circuitId === frame.circuitId && last.command === frame.command) last.bodies += bodies
    else out.push({ circuitId: frame.circuitId, command: frame.command, bodies })
  }
  return out
}

describe('batches', () => {
  const frames: Frame[] = [
    relayBatch(7, rng.bytes(5 * CELL_BODY_BYTES)),
    relayBatch(8, rng.bytes(2 * CELL_BODY_BYTES)),
    relayBatch(8, rng.bytes(CELL_BODY_BYTES), ChannelCommand.RELAY_EARLY),
    fixedCell(8, ChannelCommand.CREATE2, rng.bytes(90)),
    variableCell(ChannelCommand.VPADDING, rng.bytes(3000)),
    relayBatch(7, rng.bytes(3 * CELL_BODY_BYTES)),
  ]
  const bytes = Buffer.concat(frames.map((frame) => encode(4, frame)))

  test('relay cells of one circuit that follow each other are one batch', () => {
    const out = decoder(4).feed(bytes)
    expect(out.map((frame) => (isRelayBatch(frame) ? frame.count : 0))).toEqual([5, 2, 1, 0, 0, 3])
    expect(joined(out)).toEqual(joined(frames))
  })

  test('wherever the bytes are cut, the same cells come out', () => {
    for (const size of [1, 3, 100, 513, 514, 515, 1000, 1028, 2000]) {
      const inner = decoder(4)
      const out: Frame[] = []
      for (let at = 0; at < bytes.length; at += size) {
        // The chunk is wiped afterwards: nothing that came out may still look at it.
        const chunk = Buffer.from(bytes.subarray(at, at + size))
        out.push(...inner.feed(chunk))
        chunk.fill(0)
      }
      expect(joined(out), `chunks of ${size}`).toEqual(joined(frames))
    }
  })

  test('the cell that a chunk cuts in two heads the batch of the next chunk', () => {
    const inner = decoder(4)
    const run = encode(4, relayBatch(7, rng.bytes(10 * CELL_BODY_BYTES)))
    expect(inner.feed(run.subarray(0, 700)).map((frame) => (frame as RelayCellBatch).count)).toEqual([1])
    expect(inner.feed(run.subarray(700)).map((frame) => (frame as RelayCellBatch).count)).toEqual([9])
  })

  test(`a batch holds at most ${RELAY_BATCH_CELLS_MAX} cells`, () => {
    const run = encode(4, relayBatch(7, rng.bytes((RELAY_BATCH_CELLS_MAX + 3) * CELL_BODY_BYTES)))
    expect(decoder(4).feed(run).map((frame) => (frame as RelayCellBatch).count)).toEqual([RELAY_BATCH_CELLS_MAX, 3])
  })

  test('a part of a batch can be written', () => {
    const batch = relayBatch(9, rng.bytes(6 * CELL_BODY_BYTES))
    const writer = new FrameWriter()
    writer.useLinkProtocol(4)
    writer.writeRelayBatch(batch, 0, 2)
    writer.writeRelayBatch(batch, 2)
    expect(joined(decoder(4).feed(writer.take()))).toEqual(joined([batch]))
    expect(writer.length).toBe(0)
  })

  test('bodies in shared space are there until the next chunk, frames until the next are written', () => {
    const space = new CellSpace()
    const [one, another] = [new FrameDecoder(space.bodies), new FrameDecoder(space.bodies)]
    for (const decoder of [one, another]) decoder.useLinkProtocol(4)
    for (const count of [1, 2, 100, 300]) {
      const batches = [7, 8, 9].map((circuitId) => relayBatch(circuitId, rng.bytes(count * CELL_BODY_BYTES)))
      for (const inner of [one, another]) {
        inner.push(Buffer.concat(batches.map((batch) => encode(4, batch))))
        const out: Frame[] = []
        for (let frame = inner.next(); frame !== undefined; frame = inner.next()) out.push(frame)
        expect(joined(out)).toEqual(joined(batches))
      }
      const writers = [new FrameWriter(space.frames), new FrameWriter(space.frames)]
      for (const batch of batches) {
        for (const writer of writers) {
          writer.useLinkProtocol(4)
          writer.writeRelayBatch(batch)
          writer.writeCell(fixedCell(7, ChannelCommand.DESTROY, Uint8Array.of(1)))
          expect(joined(decoder(4).feed(writer.take()))).toEqual(joined([batch, fixedCell(7, ChannelCommand.DESTROY, Uint8Array.of(1))]))
        }
      }
    }
  })

  test('circuit ids get wider once versions are agreed', () => {
    const inner = new FrameDecoder()
    const versions = encode(0, variableCell(ChannelCommand.VERSIONS, Uint8Array.of(0, 5)))
    inner.push(Buffer.concat([versions, encode(5, fixedCell(0x12345678, ChannelCommand.DESTROY, Uint8Array.of(0)))]))
    expect(inner.next()).toMatchObject({ circuitId: 0, command: ChannelCommand.VERSIONS })
    inner.useLinkProtocol(5)
    expect(inner.next()).toMatchObject({ circuitId: 0x12345678, command: ChannelCommand.DESTROY })
  })
})

// What a relay of the public network sent (../shared/data/README.md says where it is from); not every copy of the project has it.
const recorded = new URL('../../../../shared/data/link_cells.bin', import.meta.url)
test.runIf(existsSync(recorded))('the first cells of a recorded link', () => {
  const inner = new FrameDecoder()
  inner.push(new Uint8Array(readFileSync(recorded)))
  const versions = inner.next() as Cell
  expect(decodeVersions(versions.body)).toEqual([3, 4, 5])
  // The recording's other side spoke no more than link protocol 3, so circuit ids stay narrow.
  inner.useLinkProtocol(3)
  const cells: Cell[] = []
  for (let frame = inner.next(); frame !== undefined; frame = inner.next()) cells.push(frame as Cell)
  expect(cells.map((cell) => ChannelCommand.nameOf(cell.command))).toEqual(['CERTS', 'AUTH_CHALLENGE', 'NETINFO'])
  expect(decodeCerts(cells[0]?.body ?? new Uint8Array(0)).map((entry) => entry.type)).toEqual([1, 2, 4, 5, 7])
  expect(decodeNetinfo(cells[2]?.body ?? new Uint8Array(0)).timestampSec).toBeGreaterThan(1_500_000_000)
})

describe('relay cell bodies', () => {
  test('round trip, with zeros and then random padding', () => {
    const message = { command: RelayCommand.DATA, streamId: 0xabcd, data: rng.bytes(100) }
    const body = encodeRelayMessage(message, rng)
    expect(body).toHaveLength(CELL_BODY_BYTES)
    expect(readRelayMessage(body)).toEqual(message)
    expect([...body.subarray(111, 115)]).toEqual([0, 0, 0, 0])
    expect(body.subarray(115).filter((byte) => byte === 0).length).toBeLessThan(20)
    expect(encodeRelayMessage(message, undefined).subarray(111).every((byte) => byte === 0)).toBe(true)
  })

  test('the most data that fits, and almost the most', () => {
    for (const missing of [0, 1, 3, 4, 5]) {
      const message = { command: RelayCommand.DATA, streamId: 1, data: rng.bytes(RELAY_DATA_BYTES_MAX - missing) }
      expect(readRelayMessage(encodeRelayMessage(message, rng))).toEqual(message)
    }
  })

  test('bodies side by side', () => {
    const payloads = new Uint8Array(2 * CELL_BODY_BYTES).fill(0xff)
    writeRelayMessage(payloads, CELL_BODY_BYTES, { command: RelayCommand.SENDME, streamId: 3, data: rng.bytes(23) }, undefined)
    expect(readRelayMessage(payloads, CELL_BODY_BYTES)).toMatchObject({ command: RelayCommand.SENDME, streamId: 3 })
    expect(relayDataLength(payloads, CELL_BODY_BYTES)).toBe(23)
    expect(payloads[CELL_BODY_BYTES - 1]).toBe(0xff)
  })

  test('a length that does not fit is a breach', () => {
    const body = encodeRelayMessage({ command: RelayCommand.DATA, streamId: 1, data: new Uint8Array(RELAY_DATA_BYTES_MAX) }, undefined)
    body[10] = (body[10] ?? 0) + 1
    expectRefused((bytes) => readRelayMessage(bytes), body)
  })
})
