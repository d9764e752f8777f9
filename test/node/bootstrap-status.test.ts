import { describe, expect, test } from 'vitest'
import { BootstrapStatus } from '../../src/node/bootstrap-status.ts'
import type { NodeEvent } from '../../src/runtime/events.ts'

function bench() {
  const lines: string[] = []
  const events: NodeEvent[] = []
  const status = new BootstrapStatus({ enabled: () => true, write: (level, domain, message) => lines.push(`${level} ${domain} ${message}`) }, (event) => events.push(event))
  return { lines, events, status }
}

describe('bootstrap phases', () => {
  test('of a client are told as C tor tells them', () => {
    const { lines, status, events } = bench()
    status.enter('starting')
    for (const step of ['conn', 'conn_done', 'handshake', 'handshake_done'] as const) status.link(step)
    status.enter('onehop_create')
    status.enterDirectory('requesting_status')
    status.enterDirectory('loading_status')
    status.enterDirectory('loading_keys')
    status.enterDirectory('requesting_descriptors')
    status.loadingDescriptors(0)
    status.enterDirectory('enough_dirinfo')
    for (const step of ['conn', 'conn_done', 'handshake', 'handshake_done'] as const) status.link(step)
    status.enter('circuit_create')
    expect(status.isDone).toBe(false)
    status.enter('done')
    expect(lines).toEqual([
      'notice control Bootstrapped 0% (starting): Starting',
      'notice control Bootstrapped 5% (conn): Connecting to a relay',
      'notice control Bootstrapped 10% (conn_done): Connected to a relay',
      'notice control Bootstrapped 14% (handshake): Handshaking with a relay',
      'notice control Bootstrapped 15% (handshake_done): Handshake with a relay done',
      'notice control Bootstrapped 20% (onehop_create): Establishing an encrypted directory connection',
      'notice control Bootstrapped 25% (requesting_status): Asking for networkstatus consensus',
      'notice control Bootstrapped 30% (loading_status): Loading networkstatus consensus',
      'notice control Bootstrapped 40% (loading_keys): Loading authority key certs',
      'notice control Bootstrapped 45% (requesting_descriptors): Asking for relay descriptors',
      'notice control Bootstrapped 50% (loading_descriptors): Loading relay descriptors',
      'notice control Bootstrapped 75% (enough_dirinfo): Loaded enough directory info to build circuits',
      'notice control Bootstrapped 80% (ap_conn): Connecting to a relay to build circuits',
      'notice control Bootstrapped 85% (ap_conn_done): Connected to a relay to build circuits',
      'notice control Bootstrapped 89% (ap_handshake): Finishing handshake with a relay to build circuits',
      'notice control Bootstrapped 90% (ap_handshake_done): Handshake finished with a relay to build circuits',
      'notice control Bootstrapped 95% (circuit_create): Establishing a Tor circuit',
      'notice control Bootstrapped 100% (done): Done',
    ])
    expect(status.isDone).toBe(true)
    expect(events).toHaveLength(lines.length)
  })

  test('of the directory wait for a link', () => {
    const { lines, status } = bench()
    status.enter('starting')
    status.enterDirectory('requesting_descriptors')
    status.enterDirectory('enough_dirinfo')
    expect(lines).toHaveLength(1)
    status.link('handshake_done')
    expect(lines.slice(1)).toEqual(['notice control Bootstrapped 15% (handshake_done): Handshake with a relay done', 'notice control Bootstrapped 75% (enough_dirinfo): Loaded enough directory info to build circuits'])
  })

  test('do not go back', () => {
    const { lines, status } = bench()
    status.enter('done')
    status.enter('conn')
    status.link('conn')
    status.loadingDescriptors(0.5)
    expect(lines).toHaveLength(1)
    expect(status).toMatchObject({ progress: 100, tag: 'done', summary: 'Done' })
  })

  test('tell progress within a phase at notice level in steps of five percent', () => {
    const { lines, status } = bench()
    status.link('handshake_done')
    for (let i = 0; i <= 24; i++) status.loadingDescriptors(i / 24)
    const told = lines.filter((line) => line.includes('loading_descriptors')).map((line) => /^(\w+) control Bootstrapped (\d+)%/.exec(line)?.slice(1).join(' '))
    expect(told.slice(0, 8)).toEqual(['notice 50', 'info 51', 'info 52', 'info 53', 'info 54', 'notice 55', 'info 56', 'info 57'])
    expect(told.at(-1)).toBe('info 74')
  })

  test('problems on the way are warned of from the tenth on', () => {
    const { lines, status } = bench()
    status.enter('starting')
    for (let i = 0; i < 10; i++) status.problem({ warning: 'Connection refused', reason: 'CONNECTREFUSED', fingerprint: 'A'.repeat(40), address: '127.0.0.1:1' })
    expect(lines.filter((line) => line.startsWith('warn'))).toEqual([
      `warn control Problem bootstrapping. Stuck at 0% (starting): Starting. (Connection refused; CONNECTREFUSED; count 10; recommendation warn; host ${'A'.repeat(40)} at 127.0.0.1:1)`,
    ])
    status.enter('done')
    const before = lines.length
    status.problem({ warning: 'Connection refused', reason: 'CONNECTREFUSED', fingerprint: 'A'.repeat(40), address: '127.0.0.1:1' })
    expect(lines).toHaveLength(before)
  })
})
