import { describe, expect, test } from 'vitest'
import { concatBytes, utf8Encode } from '../../../src/core/base/encoding.ts'
import { ControlReplyDecoder, controlWords, keyValuesOf, type DecodedReply } from '../../../src/core/control/reply-decoder.ts'
import { emitEvent, emitReply } from '../../../src/core/control/reply.ts'
import { replyBytesMax } from '../../../src/core/control/limits.ts'
import { drillStream } from '../../support/codec-drill.ts'

const replies: readonly DecodedReply[] = [
  { kind: 'reply', lines: [{ code: 250, text: 'OK' }] },
  { kind: 'reply', lines: [{ code: 552, text: 'Unrecognized key "no/such/key"' }] },
  { kind: 'reply', lines: [{ code: 250, text: 'version=0.4.9.11' }, { code: 250, text: 'circuit-status=', data: '1 BUILT\n..hidden dots' }, { code: 250, text: 'OK' }] },
]

/** Events end with a line that has no name. */
const events: readonly (readonly [DecodedReply, Uint8Array])[] = [
  [{ kind: 'event', lines: [{ code: 650, text: 'WARN a message' }] }, emitEvent('WARN a message')],
  [{ kind: 'event', lines: [{ code: 650, text: 'NEWCONSENSUS', data: 'r a b\ns Running' }, { code: 650, text: 'OK' }] }, emitEvent('NEWCONSENSUS', 'r a b\ns Running')],
]

const decode = (bytes: Uint8Array): DecodedReply[] => [...new ControlReplyDecoder().feed(bytes)]

drillStream(
  'control replies',
  {
    encode: (reply: DecodedReply) => emitReply(reply.lines),
    createDecoder: () => {
      const decoder = new ControlReplyDecoder()
      return { feed: (chunk: Uint8Array) => [...decoder.feed(chunk)] }
    },
  },
  replies.map((value) => ({ value })),
)

describe('events', () => {
  test.each(events)('%j', (event, bytes) => {
    expect(decode(bytes)).toEqual([event])
    expect(decode(concatBytes([bytes, emitReply([{ code: 250, text: 'OK' }])]))).toEqual([event, replies[0]])
  })

  test('one in the middle of a reply is a breach', () => {
    expect(() => decode(utf8Encode('250-a=1\r\n650 WARN x\r\n'))).toThrow(expect.objectContaining({ kind: 'protocol' }) as Error)
  })
})

test('a line without a code is a breach', () => {
  expect(() => decode(utf8Encode('hello there\r\n'))).toThrow(expect.objectContaining({ kind: 'protocol' }) as Error)
})

test('a reply has a limit', () => {
  const decoder = new ControlReplyDecoder()
  const line = utf8Encode(`${'x'.repeat(1 << 20)}\r\n`)
  const feed = (): void => {
    for (let bytes = 0; bytes <= replyBytesMax; bytes += line.length) for (const _reply of decoder.feed(line));
  }
  for (const _reply of decoder.feed(utf8Encode('250+consensus=\r\n')));
  expect(feed).toThrow(expect.objectContaining({ kind: 'limit' }) as Error)
})

test('values by key, as one line and as data', () => {
  expect(keyValuesOf(replies[2]?.lines ?? [])).toEqual(new Map([['version', '0.4.9.11'], ['circuit-status', '1 BUILT\n..hidden dots']]))
})

test('words with quotes', () => {
  expect(controlWords('NOTICE BOOTSTRAP PROGRESS=10 SUMMARY="Connected to \\"a\\" relay" "127.0.0.1:9"')).toEqual(['NOTICE', 'BOOTSTRAP', 'PROGRESS=10', 'SUMMARY=Connected to "a" relay', '127.0.0.1:9'])
})
