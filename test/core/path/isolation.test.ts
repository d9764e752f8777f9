import { describe, expect, test } from 'vitest'
import { monotonicMs } from '../../../src/core/base/time.ts'
import { CircuitIsolation, streamIsolation, type IsolationField, type IsolationFields } from '../../../src/core/path/isolation.ts'
import { predictedPortsMax } from '../../../src/core/path/limits.ts'
import { PredictedPorts } from '../../../src/core/path/predicted-ports.ts'

const base: IsolationFields = { clientAddress: '127.0.0.1', credentials: '', protocol: 'socks5', destinationPort: '80', destinationAddress: 'example.com', sessionGroup: 'socks 0', nymEpoch: '0' }
const flags = { clientAddr: true, socksAuth: true, clientProtocol: false, destPort: false, destAddr: false }
const stream = (fields: Partial<IsolationFields> = {}, changed: Partial<typeof flags> = {}) => streamIsolation({ ...base, ...fields }, { ...flags, ...changed })

describe('isolation', () => {
  test.each([
    ['clientAddress', true], ['credentials', true], ['sessionGroup', true], ['nymEpoch', true],
    ['protocol', false], ['destinationPort', false], ['destinationAddress', false],
  ] as const)('by %s is the default: %s', (field: IsolationField, isolated) => {
    const circuit = new CircuitIsolation()
    expect(circuit.isClean).toBe(true)
    circuit.add(stream())
    expect(circuit.allows(stream())).toBe(true)
    expect(circuit.allows(stream({ [field]: 'other' }))).toBe(!isolated)
  })

  test.each([
    ['clientProtocol', 'protocol'], ['destPort', 'destinationPort'], ['destAddr', 'destinationAddress'],
  ] as const)('%s keeps streams apart by %s', (flag, field) => {
    const circuit = new CircuitIsolation()
    circuit.add(stream({}, { [flag]: true }))
    expect(circuit.allows(stream({ [field]: 'other' }, { [flag]: true }))).toBe(false)
    expect(circuit.allows(stream({}, { [flag]: true }))).toBe(true)
  })

  test('holds for the earlier stream as for the later one', () => {
    const circuit = new CircuitIsolation()
    circuit.add(stream({}, { destPort: true }))
    expect(circuit.allows(stream({ destinationPort: '81' }))).toBe(false)
    const other = new CircuitIsolation()
    other.add(stream())
    expect(other.allows(stream({ destinationPort: '81' }, { destPort: true }))).toBe(false)
  })

  test('finds no place on a circuit that has mixed', () => {
    const circuit = new CircuitIsolation()
    circuit.add(stream())
    circuit.add(stream({ destinationPort: '81' }))
    expect(circuit.allows(stream({}, { destPort: true }))).toBe(false)
    expect(circuit.allows(stream({ destinationPort: '82' }))).toBe(true)
  })

  test('tells what sharing would cost', () => {
    const circuit = new CircuitIsolation()
    expect(circuit.costOf(stream())).toBeUndefined()
    circuit.add(stream())
    expect(circuit.costOf(stream())).toBe(0)
    expect(circuit.costOf(stream({ destinationPort: '1', destinationAddress: 'x' }))).toBe(2)
    circuit.clear()
    expect(circuit.isClean).toBe(true)
  })
})

describe('predicted ports', () => {
  const at = (seconds: number) => monotonicMs(seconds * 1000)

  test('lapse when they are not used', () => {
    const ports = new PredictedPorts([443], 3600_000, at(0))
    ports.noteUsed(22, at(1000))
    expect(ports.current(at(3599))).toEqual([443, 22])
    expect(ports.current(at(3600))).toEqual([22])
    ports.noteUsed(22, at(4000))
    expect(ports.current(at(5000))).toEqual([22])
    expect(ports.lapsesAt()).toBe(at(7600))
    ports.forget(22)
    expect(ports.current(at(5000))).toEqual([])
    expect(ports.lapsesAt()).toBeUndefined()
  })

  test('are no more than their limit: the one not used for longest goes', () => {
    const ports = new PredictedPorts([], 3600_000, at(0))
    for (let port = 1; port <= predictedPortsMax + 1; port++) ports.noteUsed(port, at(1))
    const current = ports.current(at(1))
    expect(current).toHaveLength(predictedPortsMax)
    expect(current).not.toContain(1)
  })
})
