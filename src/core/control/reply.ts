/** Replies and events to controllers as bytes (control-spec §2.3, §4). */

import { utf8Encode } from '../base/encoding.ts'
import { escapeData } from './command-codec.ts'

/** One line of a reply; `data` makes it a section of many lines. */
export interface ReplyLine {
  readonly code: number
  readonly text: string
  readonly data?: string
}

/** At least one line; the last one has no data. */
export type ControlReply = readonly ReplyLine[]

export const okReply: ControlReply = Object.freeze([{ code: 250, text: 'OK' }])
export const oneLine = (code: number, text: string): ControlReply => [{ code, text }]

/** `250-key=value`, or `250+key=` with the value as data when it has more than one line. */
export function keyValueLine(key: string, value: string): ReplyLine {
  return /[\r\n]/.test(value) ? { code: 250, text: `${key}=`, data: value } : { code: 250, text: `${key}=${value}` }
}

export function emitReply(reply: ControlReply): Uint8Array {
  let text = ''
  reply.forEach((line, index) => {
    const words = oneLineOf(line.text)
    if (line.data !== undefined) text += `${line.code}+${words}\r\n${escapeData(line.data)}.\r\n`
    else text += `${line.code}${index === reply.length - 1 ? ' ' : '-'}${words}\r\n`
  })
  return utf8Encode(text)
}

/** An event of one line, or with data: `650+NAME`, the data, `650 OK`. */
export function emitEvent(text: string, data?: string): Uint8Array {
  if (data === undefined) return utf8Encode(`650 ${oneLineOf(text)}\r\n`)
  return utf8Encode(`650+${oneLineOf(text)}\r\n${escapeData(data)}.\r\n650 OK\r\n`)
}

const oneLineOf = (text: string): string => text.replace(/[\r\n]+/g, ' ')
