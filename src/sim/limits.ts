/** Named limits of the simulator. */

export const simLimits = Object.freeze({
  /** Events waiting at one time. Past it the run ends with `limit`: something schedules without end. */
  eventsWaitingMax: 5_000_000,
  /** Pieces of work done at the end of one event, before virtual time may move on. Past it the run ends with `limit`. */
  turnWorkMax: 1_000_000,
  /** `write` answers false above this many buffered bytes. As on the host. */
  streamHighMarkBytes: 256 * 1024,
  /** `onDrain` fires once no more than this is buffered. As on the host. */
  streamLowMarkBytes: 64 * 1024,
  /** Bytes of one direction that may be under way or wait unread at the receiver: the kernel's buffers. */
  streamWindowBytes: 512 * 1024,
  /** Largest chunk of a plain stream. */
  plainSegmentBytesMax: 64 * 1024,
  /** Largest chunk of a secure stream: a TLS record. */
  secureSegmentBytesMax: 16 * 1024,
  /** Size of one machine's files together; more fails as a full disk would. */
  fileStoreBytesMax: 512 * 1024 * 1024,
  /** First and last port given to whoever asks for port 0, and to dialling sockets. */
  ephemeralPortFirst: 32_768,
  ephemeralPortLast: 60_999,
  /** RSA keys of ready-made primes, of which there are some 130,000 pairs. Further keys come from a search. */
  rsaKeysFromStockMax: 65_536,
  /** Trace lines are hashed in pieces of about this size. */
  traceBufferChars: 64 * 1024,
})
