/** What an inspection shows of streams. */

import type { Stream } from '../core/proto/stream/stream.ts'
import type { StreamInspection } from '../runtime/events.ts'

export function inspectStreams(streams: Iterable<Stream>): StreamInspection[] {
  return Array.from(streams, (stream) => ({
    streamId: stream.id,
    state: stream.state,
    target: stream.target,
    bytesRead: stream.bytesReceived,
    bytesWritten: stream.bytesSent,
  }))
}
