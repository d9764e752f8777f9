/**
 * Memory that goes back at once. What `node:crypto` fills is an ArrayBuffer for each call, which the collector frees only when it has
 * seen megabytes of them: so each comes from memory that no cache holds, and a process that ciphers a stream has its whole heap marked
 * for their sake.
 */

/** Fewer bytes are not worth the call. */
const WORTHWHILE_BYTES = 4096
/** So much is left to the collector: a node that carries little need not load what messages are made of, 3 ms. */
const LEFT_ALONE_BYTES = 4 * 1024 * 1024

/** Where what is transferred goes nowhere: a port that is closed detaches it all the same, and has no use for it. */
class Nowhere {
  #port: InstanceType<typeof MessagePort> | undefined
  #leftAloneBytes = 0

  take(memory: ArrayBuffer): void {
    if (this.#leftAloneBytes < LEFT_ALONE_BYTES) {
      this.#leftAloneBytes += memory.byteLength
      return
    }
    if (this.#port === undefined) {
      const { port1 } = new MessageChannel()
      port1.close()
      this.#port = port1
    }
    this.#port.postMessage(undefined, [memory])
  }
}

const nowhere = new Nowhere()

/** Frees the memory that `bytes` are all of, but for the first few megabytes. Nobody may use them any more: they have no length then. */
export function giveUpMemory(bytes: Uint8Array): void {
  const { buffer } = bytes
  if (bytes.length >= WORTHWHILE_BYTES && bytes.length === buffer.byteLength && buffer instanceof ArrayBuffer) nowhere.take(buffer)
}
