/** Named limits of the host runtime. */

export const hostLimits = Object.freeze({
  /** `write` answers false above this many buffered bytes. */
  streamHighMarkBytes: 256 * 1024,
  /** `onDrain` fires once no more than this is buffered. */
  streamLowMarkBytes: 64 * 1024,
  /** Pending writes of a stream are joined up to this size for one call into the operating system: eight TLS records. */
  joinedWriteBytesMax: 128 * 1024,
  /** What waits for a stream's next write, and is no more than this, has a buffer of this size. */
  smallWriteBytesMax: 2048,
  /** Buffers for joined writes that are kept for the next. Further ones are left to the collector. */
  writeBuffersKept: 4,
  /** Largest chunk given to `onData`. */
  readChunkBytesMax: 64 * 1024,
  /** Buffers for such chunks that are kept for the next. Further ones are left to the collector. */
  readBuffersKept: 4,
  /** Bytes read of one socket in one turn of the event loop: with so many it is left alone until they are handled. */
  readTurnBytesMax: 128 * 1024,
  /** Connections waiting in the kernel for `accept`. It refuses more. */
  listenBacklog: 511,
  /** TLS handshakes in progress on one listener; more are dropped. */
  tlsHandshakesPerListenerMax: 512,
  /** An accepted connection must finish its TLS handshake within this time, or is closed. */
  tlsHandshakeTimeoutMs: 30_000,
  /** Head of an HTTP proxy's answer to CONNECT. With a longer one the connection fails. */
  proxyAnswerBytesMax: 8 * 1024,
  /** Names and addresses being resolved at one time; more fail at once and may be asked again. */
  resolverQueriesMax: 256,
  /** Wait for one answer of one name server, and how often it is asked; then the next one is, and then the name cannot be resolved. */
  resolverTimeoutMs: 5_000,
  resolverTries: 3,
  /** Size of a hosts or resolv.conf file. A larger one is not read. */
  resolverFileBytesMax: 1024 * 1024,
  /** Time to live given to answers that carry none (hosts file). */
  resolverHostsTtlSec: 60,
  /** Largest file that `FileStore.read` loads. Reading a larger one fails. */
  fileBytesMax: 512 * 1024 * 1024,
})

/** Longest delay that the timers of Node.js count: longer ones are counted in several steps. */
export const nodeTimerMsMax = 2 ** 31 - 1

/** Random bytes fetched from the operating system at one time. */
export const systemRngPoolBytes = 8 * 1024
