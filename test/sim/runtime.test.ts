import type { RelishError } from '../../src/core/base/errors.ts'
import { seconds } from '../../src/core/base/time.ts'
import { Simulation } from '../../src/sim/simulation.ts'
import { runtimeContract } from '../contract/runtime.contract.ts'

runtimeContract('the simulation', async () => {
  const bugs: RelishError[] = []
  const simulation = new Simulation({ seed: 'contract', onBug: (_machine, error) => bugs.push(error) })
  const near = simulation.addMachine({ name: 'near', addresses: ['10.0.0.1', 'fd00::1'] })
  const far = simulation.addMachine({ name: 'far', addresses: ['10.0.0.2', 'fd00::2'] })
  simulation.addMachine({ name: 'silent', addresses: ['10.0.0.3'] })
  simulation.setLinkFault('near', 'silent', { kind: 'partition' })
  simulation.names.setAddresses('known.example', ['192.0.2.7'])
  simulation.names.setName('192.0.2.7', 'known.example')
  return {
    near: near.boot(),
    far: far.boot(),
    nearHost: '10.0.0.1',
    farHost: '10.0.0.2',
    farHost6: 'fd00::2',
    knownName: 'known.example',
    unknownName: 'unknown.example',
    namelessAddress: '192.0.2.8',
    silent: { target: { host: '10.0.0.3', port: 80 } },
    until: async (what, condition) => {
      if (!simulation.runUntil(condition, seconds(10))) throw new Error(`not within ten seconds of virtual time: ${what}`)
    },
    bugs,
    close: () => undefined,
  }
})
