/**
 * What a check may take: not so many seconds of a clock, but as long as it comes further. Bytes that reach or leave the
 * observer's sockets, answers of nodes, stages that nodes reach and lines that the check says are progress. On a machine
 * that is busy with other things a check is slow; it fails when nothing at all has happened for as long as `patienceMs`.
 */

import type { ByteStream, Network as RuntimeNetwork } from '../../runtime/index.ts'
import type { NodeEventRecord, RunningNetwork } from '../backend/backend.ts'
import { progressTickMs } from '../limits.ts'
import { CheckFailure } from './expect.ts'
import { replaced } from './replaced.ts'

export class ProgressWatch {
  /** The same network; what is done through it is noticed. */
  readonly network: RunningNetwork
  readonly #world: RunningNetwork
  readonly #patienceMs: number
  #lastMs: number
  /** Waits under way that have a limit, and a story, of their own. */
  #waits = 0
  #last = 'it began'

  constructor(world: RunningNetwork, patienceMs: number) {
    this.#world = world
    this.#patienceMs = patienceMs
    this.#lastMs = world.clock.now()
    this.network = this.#watched(world)
  }

  /** Something happened that brings the check further. */
  note(words: string): void {
    this.#lastMs = this.#world.clock.now()
    this.#last = words
  }

  /** The result of `work`. Throws `CheckFailure` once nothing has happened for too long; `work` is left to itself then. */
  async during<T>(work: Promise<T>, name: string): Promise<T> {
    const unsubscribe = this.#world.onEvent((record) => {
      if (isProgress(record)) this.note(`${record.node} came to ${record.event.kind === 'stage' ? record.event.stage : record.event.kind}`)
    })
    let stop: () => void = () => undefined
    const stuck = new Promise<never>((_, reject) => {
      stop = this.#watch(() => reject(new CheckFailure(`${name} came no further for ${this.#patienceMs / 1000} s; the last thing that happened: ${this.#last}`)))
    })
    try {
      return await Promise.race([work, stuck])
    } finally {
      stop()
      unsubscribe()
    }
  }

  #watch(onStuck: () => void): () => void {
    const { clock, world } = this.#world
    let cancel: () => void = () => undefined
    const look = (expectedMs: number): void => {
      const now = clock.now()
      // The whole machine stood still, or this process did: no time in which anything could have happened.
      if (world !== 'simulated') this.#lastMs += Math.max(0, now - expectedMs)
      if (this.#waits > 0) this.#lastMs = now
      const leftMs = this.#lastMs + this.#patienceMs - now
      if (leftMs <= 0) {
        onStuck()
        return
      }
      const tickMs = world === 'simulated' ? leftMs : Math.min(leftMs, progressTickMs)
      cancel = clock.after(tickMs, () => look(now + tickMs))
    }
    look(clock.now())
    return () => cancel()
  }

  #watched(world: RunningNetwork): RunningNetwork {
    const answered = <T>(words: string, promise: Promise<T>): Promise<T> => {
      promise.then(() => this.note(words), () => this.note(words))
      return promise
    }
    const waited = <T>(words: string, promise: Promise<T>): Promise<T> => {
      this.#waits++
      const over = (): void => {
        this.#waits--
        this.note(words)
      }
      promise.then(over, over)
      return promise
    }
    return replaced(world, {
      clock: { ...world.clock, sleep: (ms) => waited(`a pause of ${ms / 1000} s was over`, world.clock.sleep(ms)) },
      observer: noticing(world.observer, (words) => this.note(words)),
      command: (node, command) => answered(`${node} answered ${command.command}`, world.command(node, command)),
      inspect: (node) => answered(`${node} answered inspect`, world.inspect(node)),
      waitFor: (words, condition, timeoutMs) => waited(`the wait for ${words} was over`, world.waitFor(words, condition, timeoutMs)),
      start: (nodes) => waited(`${nodes.join(', ')} started`, world.start(nodes)),
      stop: (nodes) => waited(`${nodes.join(', ')} stopped`, world.stop(nodes)),
    })
  }
}

/** Votes and warnings come in any network that only runs. */
const isProgress = ({ event }: NodeEventRecord): boolean => event.kind === 'stage' || event.kind === 'listening' || event.kind === 'bootstrap'

/** Sockets that tell when bytes come. */
function noticing(network: RuntimeNetwork, note: (words: string) => void): RuntimeNetwork {
  return {
    dial: (options, handlers) =>
      network.dial(options, {
        onConnect: (stream) => {
          note('a connection was made')
          handlers.onConnect(noticingStream(stream, note))
        },
        onError: (error) => {
          note('a connection failed')
          handlers.onError(error)
        },
      }),
    listen: (address, handlers) =>
      network.listen(address, {
        ...handlers,
        onConnection: (stream) => {
          note('a connection came')
          handlers.onConnection(noticingStream(stream, note))
        },
      }),
    dialSecure: (options, handlers) => network.dialSecure(options, handlers),
    listenSecure: (address, identity, handlers) => network.listenSecure(address, identity, handlers),
    listenUnix: (path, handlers) => network.listenUnix(path, handlers),
  }
}

function noticingStream(stream: ByteStream, note: (words: string) => void): ByteStream {
  return {
    local: stream.local,
    remote: stream.remote,
    start: (handlers) =>
      stream.start({
        onData: (chunk) => {
          note('bytes came')
          handlers.onData(chunk)
        },
        onEnd: () => handlers.onEnd(),
        onDrain: () => {
          note('bytes were taken')
          handlers.onDrain()
        },
        onClose: (error) => handlers.onClose(error),
      }),
    write: (chunk) => stream.write(chunk),
    get bufferedBytes() {
      return stream.bufferedBytes
    },
    end: () => stream.end(),
    destroy: () => stream.destroy(),
    pauseReading: () => stream.pauseReading(),
    resumeReading: () => stream.resumeReading(),
  }
}
