/** A name server on a loopback UDP port, for tests of the host's resolver: one A record, one PTR, everything else NXDOMAIN. */

import { createSocket, type Socket } from 'node:dgram'

export interface ScriptedDns {
  /** As resolv.conf has it. */
  readonly server: string
  close(): void
}

export async function startScriptedDns(records: { readonly name: string; readonly address: string }): Promise<ScriptedDns> {
  const socket: Socket = createSocket('udp4')
  const reverseName = `${records.address.split('.').reverse().join('.')}.in-addr.arpa`
  socket.on('message', (query, from) => {
    const labels: string[] = []
    let at = 12
    for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
      labels.push(query.subarray(at + 1, at + 1 + length).toString('latin1').toLowerCase())
      at += 1 + length
    }
    const type = query.readUInt16BE(at + 1)
    const question = query.subarray(12, at + 5)
    const name = labels.join('.')
    const answer = name === records.name && type === 1 ? Buffer.from(records.address.split('.').map(Number)) : name === reverseName && type === 12 ? encodeName(records.name) : undefined
    const exists = name === records.name || name === reverseName
    const head = Buffer.alloc(12)
    query.copy(head, 0, 0, 2)
    head.writeUInt16BE(exists ? 0x8180 : 0x8183, 2)
    head.writeUInt16BE(1, 4)
    head.writeUInt16BE(answer === undefined ? 0 : 1, 6)
    const record = Buffer.alloc(12)
    record.writeUInt16BE(0xc00c, 0)
    record.writeUInt16BE(type, 2)
    record.writeUInt16BE(1, 4)
    record.writeUInt32BE(300, 6)
    record.writeUInt16BE(answer?.length ?? 0, 10)
    socket.send(Buffer.concat(answer === undefined ? [head, question] : [head, question, record, answer]), from.port, from.address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return { server: `127.0.0.1:${socket.address().port}`, close: () => socket.close() }
}

function encodeName(name: string): Buffer {
  return Buffer.concat([...name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)])), Buffer.of(0)])
}
