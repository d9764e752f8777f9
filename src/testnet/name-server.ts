/**
 * The network's own DNS server, on UDP: it answers what it was told to (A, AAAA, PTR), says that everything else does
 * not exist, and remembers who asked. Just enough of RFC 1035 for the resolvers of exits; not a resolver, no TCP.
 */

import { createSocket, type Socket } from 'node:dgram'
import { RelishError } from '../core/base/errors.ts'
import { parseIpv4, parseIpv6 } from '../core/ident/address.ts'
import type { SocketAddress } from '../runtime/index.ts'
import type { NameQuestion, NameServer } from './backend/backend.ts'
import { sinkVisitsKept } from './limits.ts'
import type { ResolvedNetwork, ScriptedAnswer } from './network-types.ts'

const types: Readonly<Record<number, string>> = { 1: 'A', 12: 'PTR', 28: 'AAAA' }
const ttlSec = 60

export interface RunningNameServer extends NameServer {
  readonly address: SocketAddress
  close(): Promise<void>
}

/** `port` is one to use again if it is free. */
export async function startNameServer(host: string, port?: number): Promise<RunningNameServer> {
  const answers = new NameTable()
  const questions: NameQuestion[] = []
  const socket = (await bind(host, port ?? 0).catch(() => undefined)) ?? (await bind(host, 0))
  socket.unref()
  socket.on('message', (packet, from) => {
    const question = parseQuestion(packet)
    if (question === undefined) return
    if (questions.length < sinkVisitsKept) questions.push({ name: question.name, type: types[question.type] ?? String(question.type), from: from.address, fromPort: from.port })
    const found = answers.lookUp(question.name, question.type)
    if (found !== 'timeout') socket.send(emitAnswer(packet, question, found), from.port, from.address)
  })
  const bound = socket.address()
  return {
    address: { host: bound.address, port: bound.port },
    questions,
    setAddresses: (name, addresses) => answers.setAnswer(name, addresses),
    setAnswer: (name, answer) => answers.setAnswer(name, answer),
    setName: (address, name) => answers.setName(address, name),
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  }
}

/** Gives a name server the answers of a network file; the addresses that have names have those names. */
export function scriptNames(server: NameServer, network: ResolvedNetwork): void {
  for (const [name, answer] of Object.entries(network.names)) {
    server.setAnswer(name, answer)
    if (typeof answer !== 'string') for (const address of answer) server.setName(address, name)
  }
}

function bind(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    socket.once('error', (error) => reject(new RelishError('local-io', `cannot listen on ${host}: ${error.message}`, { cause: error })))
    socket.bind(port, host, () => resolve(socket))
  })
}

class NameTable {
  readonly #answers = new Map<string, ScriptedAnswer>()
  readonly #names = new Map<string, string>()

  setAnswer(name: string, answer: ScriptedAnswer): void {
    this.#answers.set(name.toLowerCase(), answer)
  }

  setName(address: string, name: string): void {
    this.#names.set(reverseName(address), name)
  }

  /** Data of the records for a question, or what is to be said in their place. */
  lookUp(name: string, type: number): Uint8Array[] | 'no-such-name' | 'timeout' | 'failure' {
    const target = this.#names.get(name.toLowerCase())
    if (target !== undefined) return type === 12 ? [encodeName(target)] : []
    const answer = this.#answers.get(name.toLowerCase()) ?? 'no-such-name'
    if (typeof answer === 'string') return answer
    const parse = type === 1 ? parseIpv4 : type === 28 ? parseIpv6 : () => undefined
    return answer.map((address) => parse(address)).filter((bytes) => bytes !== undefined)
  }
}

/** `4.3.2.1.in-addr.arpa` of 1.2.3.4, and the like for IPv6. */
function reverseName(address: string): string {
  const four = parseIpv4(address)
  if (four !== undefined) return `${[...four].reverse().join('.')}.in-addr.arpa`
  const six = parseIpv6(address)
  if (six === undefined) throw new RelishError('config', `${address} is not an address`)
  return `${Buffer.from(six).toString('hex').split('').reverse().join('.')}.ip6.arpa`
}

function encodeName(name: string): Uint8Array {
  return Buffer.concat([...name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')])), Buffer.from([0])])
}

interface Question {
  readonly name: string
  readonly type: number
  /** Where the question section ends. */
  readonly end: number
}

function parseQuestion(packet: Buffer): Question | undefined {
  // A query (QR 0) with one question.
  if (packet.length < 17 || (packet[2] ?? 0) >= 0x80 || packet.readUInt16BE(4) !== 1) return undefined
  const labels: string[] = []
  let at = 12
  for (;;) {
    const length = packet[at]
    if (length === undefined || length > 63) return undefined
    at++
    if (length === 0) break
    if (at + length > packet.length) return undefined
    labels.push(packet.toString('latin1', at, at + length))
    at += length
  }
  if (at + 4 > packet.length) return undefined
  return { name: labels.join('.'), type: packet.readUInt16BE(at), end: at + 4 }
}

function emitAnswer(packet: Buffer, question: Question, found: readonly Uint8Array[] | 'no-such-name' | 'failure'): Buffer {
  const data = typeof found === 'string' ? [] : found
  const code = found === 'no-such-name' ? 3 : found === 'failure' ? 2 : 0
  const header = Buffer.alloc(12)
  packet.copy(header, 0, 0, 2)
  // Response, authoritative, recursion available; NXDOMAIN for names that do not exist, SERVFAIL where that is scripted.
  header.writeUInt16BE(0x8480 | ((packet[2] ?? 0) & 1 ? 0x0100 : 0) | code, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(data.length, 6)
  const records = data.map((record) => {
    const head = Buffer.alloc(12)
    head.writeUInt16BE(0xc00c, 0)
    head.writeUInt16BE(question.type, 2)
    head.writeUInt16BE(1, 4)
    head.writeUInt32BE(ttlSec, 6)
    head.writeUInt16BE(record.length, 10)
    return Buffer.concat([head, record])
  })
  return Buffer.concat([header, packet.subarray(12, question.end), ...records])
}
