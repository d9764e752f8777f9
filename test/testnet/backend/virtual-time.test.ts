import { describe, expect, it } from 'vitest'
import { RelishError } from '../../../src/core/base/errors.ts'
import { durationMs } from '../../../src/core/base/time.ts'
import { Simulation } from '../../../src/sim/simulation.ts'
import { VirtualTime } from '../../../src/testnet/backend/virtual-time.ts'

function world(): { simulation: Simulation; time: VirtualTime; sleep: (ms: number) => Promise<void> } {
  const simulation = new Simulation({ seed: 'time' })
  let touched = false
  const time = new VirtualTime({
    step: () => simulation.step(),
    takeTouched: () => {
      const was = touched
      touched = false
      return was
    },
  })
  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      simulation.at(durationMs(ms), () => {
        touched = true
        resolve()
      })
    })
  return { simulation, time, sleep }
}

describe('virtual time', () => {
  it('passes while somebody waits, and stands still otherwise', async () => {
    const { simulation, time, sleep } = world()
    let ticks = 0
    const tick = (): void => {
      ticks++
      simulation.at(durationMs(1), tick)
    }
    tick()
    await time.during(sleep(10))
    expect(simulation.now()).toBe(10)
    const before = ticks
    await new Promise((resolve) => setImmediate(resolve))
    expect(ticks).toBe(before)
  })

  it('lets promises come to rest between two events, however many steps they take', async () => {
    const { simulation, time, sleep } = world()
    const seen: string[] = []
    for (let i = 1; i <= 20; i++) simulation.at(durationMs(i), () => seen.push(`event ${i}`))
    const task = async (): Promise<void> => {
      for (let i = 1; i <= 20; i++) {
        await sleep(i - simulation.now())
        for (let j = 0; j < 50; j++) await Promise.resolve()
        seen.push(`promise ${i}`)
      }
    }
    await time.during(task())
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => [`event ${i + 1}`, `promise ${i + 1}`]).flat())
  })

  it('several wait at a time', async () => {
    const { simulation, time, sleep } = world()
    const done: number[] = []
    await Promise.all([30, 10, 20].map((ms) => time.during(sleep(ms)).then(() => done.push(simulation.now()))))
    expect(done).toEqual([10, 20, 30])
  })

  it('an error of the world reaches whoever waits, and so does standing still for ever', async () => {
    const { simulation, time } = world()
    simulation.at(durationMs(5), () => {
      throw new RelishError('bug', 'the world broke')
    })
    await expect(time.during(new Promise(() => undefined))).rejects.toThrow('the world broke')
    await expect(time.during(new Promise(() => undefined))).rejects.toThrow(/nothing is left to run/)
    await expect(time.during(Promise.reject(new Error('its own')))).rejects.toThrow('its own')
  })
})
