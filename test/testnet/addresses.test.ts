import { createServer } from 'node:net'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { claimAddressBlock, hasIpv6Loopback, reservePort, type AddressBlock } from '../../src/testnet/addresses.ts'
import { RunDirectory, lockRunDirectory } from '../../src/testnet/run-directory.ts'

const blocks: AddressBlock[] = []
afterEach(async () => {
  await Promise.all(blocks.splice(0).map((block) => block.release()))
})

describe.runIf(process.platform === 'linux')('address blocks', () => {
  test('fifty claimed at once are all different', async () => {
    blocks.push(...(await Promise.all(Array.from({ length: 50 }, () => claimAddressBlock()))))
    expect(new Set(blocks.map((block) => block.bytes)).size).toBe(50)
  })

  test('a wanted one is given if it is free, and another if it is not', async () => {
    const first = await claimAddressBlock()
    await first.release()
    const again = await claimAddressBlock(first.bytes)
    blocks.push(again)
    expect(again.bytes).toBe(first.bytes)
    const other = await claimAddressBlock(first.bytes)
    blocks.push(other)
    expect(other.bytes).not.toBe(first.bytes)
  })

  test('node i is 127.(i+1).B.C, and the observer is none of them', async () => {
    const block = await claimAddressBlock()
    blocks.push(block)
    expect(block.nodeHost(0)).toBe(`127.1.${block.bytes}`)
    expect(block.nodeHost(249)).toBe(`127.250.${block.bytes}`)
    expect(block.observerHost).toBe(`127.254.${block.bytes}`)
  })
})

test('elsewhere every node is 127.0.0.1', async () => {
  const block = await claimAddressBlock(undefined, 'darwin')
  expect(block).toMatchObject({ bytes: undefined, distinct: false, observerHost: '127.0.0.1' })
  expect(block.nodeHost(7)).toBe('127.0.0.1')
})

describe('ports', () => {
  test('one that is reserved cannot be taken, and is free after its release', async () => {
    const reserved = await reservePort('127.0.0.1')
    expect(reserved.port).toBeGreaterThan(0)
    expect(reserved.fd).toBeGreaterThan(2)
    await expect(reservePort('127.0.0.1', reserved.port)).rejects.toThrow(`port ${reserved.port} of 127.0.0.1 is taken by another program`)
    reserved.release()
    const again = await reservePort('127.0.0.1', reserved.port)
    expect(again.port).toBe(reserved.port)
    again.release()
  })

  test('::1 can be listened on where the machine is said to have it', async () => {
    const listens = await reservePort('::1').then((port) => (port.release(), true), () => false)
    expect(hasIpv6Loopback()).toBe(listens)
  })

  test('an address that the machine does not have is named', async () => {
    await expect(reservePort('192.0.2.1')).rejects.toThrow('this machine has no address 192.0.2.1')
  })
})

describe.each(['linux', 'darwin'] as const)('locks of run directories as on %s', (platform) => {
  test('one holder at a time, free again afterwards', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'relish-lock-'))
    const directory = new RunDirectory(join(folder, 'run'))
    const lock = await lockRunDirectory(directory, platform)
    await expect(lockRunDirectory(directory, platform)).rejects.toMatchObject({ kind: 'refused', hint: expect.stringContaining(`relish down --dir ${directory.path}`) as string })
    await lock.release()
    await (await lockRunDirectory(directory, platform)).release()
    rmSync(folder, { recursive: true })
  })
})

test('a taken port of another program is not mistaken for a missing address', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no address')
  await expect(reservePort('127.0.0.1', address.port)).rejects.toThrow('is taken by another program')
  await new Promise<void>((resolve) => server.close(() => resolve()))
})
