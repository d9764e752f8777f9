import { describe, expect, test } from 'vitest'
import { hexDecode, hexEncode } from '../../../src/core/base/encoding.ts'
import { RelishError } from '../../../src/core/base/errors.ts'
import { Reader } from '../../../src/core/bytes/reader.ts'
import { Writer } from '../../../src/core/bytes/writer.ts'

const refused = (action: () => unknown): void => {
  try {
    action()
  } catch (error) {
    expect((error as RelishError).kind).toBe('protocol')
    return
  }
  expect.fail('was accepted')
}

describe('Reader', () => {
  test('numbers are big-endian and unsigned', () => {
    const reader = new Reader(hexDecode('ff fffe fffffffd fffffffffffffffc 00'.replace(/ /g, '')))
    expect(reader.u8()).toBe(255)
    expect(reader.u16()).toBe(65534)
    expect(reader.u32()).toBe(4294967293)
    expect(reader.u64()).toBe(18446744073709551612n)
    expect(reader.offset).toBe(15)
    refused(() => reader.finish('numbers'))
    reader.skip(1)
    reader.finish('numbers')
    refused(() => reader.u8())
  })

  test('reading past the end consumes nothing', () => {
    const reader = new Reader(Uint8Array.of(1, 2, 3))
    refused(() => reader.u32())
    refused(() => reader.take(4))
    refused(() => reader.view(-1))
    expect(reader.remaining).toBe(3)
  })

  test('views share memory, copies do not', () => {
    const bytes = Uint8Array.of(1, 2, 3, 4)
    const reader = new Reader(bytes)
    const view = reader.view(2)
    const copy = reader.take(2)
    bytes.fill(9)
    expect([...view]).toEqual([9, 9])
    expect([...copy]).toEqual([3, 4])
  })

  test("copies of a Buffer's bytes are copies too", () => {
    const buffer = Buffer.from([1, 2, 3, 4])
    const copy = new Reader(buffer).take(4)
    buffer.fill(9)
    expect(copy).toEqual(Uint8Array.of(1, 2, 3, 4))
  })

  test('a nested field must be used up and cannot be left', () => {
    const bytes = Uint8Array.of(2, 7, 8, 9)
    const reader = new Reader(bytes)
    expect(reader.nested(reader.u8(), 'field', (inside) => inside.u16())).toBe(0x0708)
    expect(reader.u8()).toBe(9)
    refused(() => new Reader(bytes).nested(3, 'field', (inside) => inside.u16()))
    refused(() => new Reader(bytes).nested(1, 'field', (inside) => inside.u16()))
    refused(() => new Reader(bytes).nested(5, 'field', (inside) => inside.rest()))
  })

  test('text up to a zero', () => {
    const reader = new Reader(Uint8Array.of(65, 66, 0, 67))
    expect([...reader.untilZero('text')]).toEqual([65, 66])
    refused(() => reader.untilZero('text'))
    expect([...reader.rest()]).toEqual([67])
  })

  test('a window of a larger array', () => {
    const reader = new Reader(Uint8Array.of(1, 2, 3, 4), 1, 3)
    expect(reader.u16()).toBe(0x0203)
    refused(() => reader.u8())
  })
})

describe('Writer', () => {
  test('writes what Reader reads', () => {
    const bytes = new Writer(1)
      .u8(255).u16(65534).u32(4294967293).u64(18446744073709551612n).bytes(Uint8Array.of(1, 2)).zeros(3)
      .sized(1, (inside) => inside.u8(5)).sized(2, (inside) => inside.bytes(new Uint8Array(300))).sized(4, () => {})
      .finish()
    expect(hexEncode(bytes)).toBe(`fffffefffffffdfffffffffffffffc01020000000105012c${'00'.repeat(300)}00000000`)
  })

  test('a value that does not fit is a bug', () => {
    expect(() => new Writer().u8(256)).toThrow(/assertion/)
    expect(() => new Writer().u16(-1)).toThrow(/assertion/)
    expect(() => new Writer().u32(1.5)).toThrow(/assertion/)
    expect(() => new Writer().sized(1, (inside) => inside.zeros(256))).toThrow(/assertion/)
  })
})
