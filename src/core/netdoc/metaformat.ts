/**
 * The metaformat of directory documents (dir-spec §1.2): lines of a keyword and arguments, some followed by an object in
 * base64 between BEGIN and END lines. A document type is a table of its keywords; the table drives reading, writing and
 * rejection. A document is one latin1 string (a character a byte), and items are slices of it.
 *
 * Not here: what the arguments mean (fields.ts, and each document's own file), and signatures (signed.ts).
 */

import { assert } from '../base/assert.ts'
import { base64Encode } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import { decodeBase64 } from './base64.ts'
import { maxArguments, maxLineLength, maxObjectLength } from './limits.ts'

/** What a table says of one keyword. */
export interface ItemRule {
  /** `once` and `some` must appear; `optional` appears at most once; `any` and `some` may repeat. */
  readonly count: 'once' | 'optional' | 'any' | 'some'
  /** Fewest and most arguments; `line` takes the rest of the line as one text, and `none` is [0, 0]. More than the fewest are room for extension. */
  readonly arguments: 'none' | 'line' | readonly [fewest: number, most: number]
  /** Tag of the object that must follow, or may follow where `objectOptional`. */
  readonly object?: string
  /** A tag it had once, taken too and never written. */
  readonly oldObject?: string
  readonly objectOptional?: boolean
  /** Where in the document the item must be. */
  readonly position?: 'first' | 'second' | 'last' | 'before-last'
}

export const anyNumber = Number.MAX_SAFE_INTEGER

interface NumberedRule extends ItemRule {
  readonly keyword: string
  readonly index: number
  readonly fewest: number
  readonly most: number
}

export interface DocumentTable {
  /** For errors: `server descriptor`. */
  readonly name: string
  readonly rules: ReadonlyMap<string, NumberedRule>
  readonly ordered: readonly NumberedRule[]
}

export function documentTable(name: string, rules: Readonly<Record<string, ItemRule>>): DocumentTable {
  const ordered = Object.entries(rules).map(([keyword, rule], index): NumberedRule => {
    const [fewest, most] = rule.arguments === 'none' ? [0, 0] : rule.arguments === 'line' ? [0, anyNumber] : rule.arguments
    return { ...rule, keyword, index, fewest, most }
  })
  return Object.freeze({ name, ordered, rules: new Map(ordered.map((rule) => [rule.keyword, rule])) })
}

/** One line of a document with the object behind it. */
export class Item {
  readonly document: string
  readonly keyword: string
  /** Everything after the keyword and its white space. */
  readonly rest: string
  /** Line number, from 1. */
  readonly line: number
  /** Where the item's line starts and where the item ends, in characters of the whole text. */
  readonly start: number
  readonly end: number
  readonly objectTag: string | undefined
  readonly #objectText: string
  #args: readonly string[] | undefined

  constructor(document: string, keyword: string, rest: string, line: number, start: number, end: number, objectTag: string | undefined, objectText: string) {
    this.document = document
    this.keyword = keyword
    this.rest = rest
    this.line = line
    this.start = start
    this.end = end
    this.objectTag = objectTag
    this.#objectText = objectText
  }

  get args(): readonly string[] {
    if (this.#args === undefined) this.#args = splitArguments(this.rest)
    return this.#args
  }

  /** Argument `index`, which the caller says is there because the table does. */
  arg(index: number): string {
    const value = this.args[index]
    if (value === undefined) throw this.error(`argument ${index + 1} is missing`)
    return value
  }

  /** The object's bytes. */
  object(): Uint8Array {
    const bytes = decodeBase64(this.#objectText)
    if (bytes === undefined || this.objectTag === undefined) throw this.error('object is not base64')
    return bytes
  }

  /** A `bad-document` error that says where. */
  error(what: string): RelishError {
    return documentError(this.document, this.line, this.keyword, what)
  }
}

function documentError(document: string, line: number, keyword: string | undefined, what: string): RelishError {
  const where = keyword === undefined ? '' : ` "${keyword}"`
  return new RelishError('bad-document', `${document}, line ${line}${where}: ${what}`, {
    position: keyword === undefined ? { line } : { line, keyword },
  })
}

/** Items of one document, or of one part of it, checked against a table. Unknown items are gone. */
export class Section {
  readonly table: DocumentTable
  /** Known items, in the order of the text. */
  readonly items: readonly Item[]
  /** Line of the section's first item. */
  readonly line: number
  readonly #first: readonly (Item | undefined)[]

  constructor(table: DocumentTable, items: readonly Item[], line: number, first: readonly (Item | undefined)[]) {
    this.table = table
    this.items = items
    this.line = line
    this.#first = first
  }

  /** The item of a keyword whose count is `once`, or the first of `some`. */
  one(keyword: string): Item {
    const item = this.maybe(keyword)
    assert(item !== undefined, `table of ${this.table.name} requires ${keyword}`)
    return item
  }

  maybe(keyword: string): Item | undefined {
    const rule = this.table.rules.get(keyword)
    assert(rule !== undefined, `table of ${this.table.name} has ${keyword}`)
    return this.#first[rule.index]
  }

  has(keyword: string): boolean {
    return this.maybe(keyword) !== undefined
  }

  all(keyword: string): readonly Item[] {
    if (this.maybe(keyword) === undefined) return []
    return this.items.filter((item) => item.keyword === keyword)
  }

  error(what: string): RelishError {
    return documentError(this.table.name, this.line, undefined, what)
  }
}

export interface CursorOptions {
  readonly start?: number
  readonly end?: number
  /** Line number of `start`. */
  readonly line?: number
}

/** Reads items one after the other. `document` names the document in errors. */
export class Cursor {
  readonly text: string
  /** Of the next item. */
  at: number
  line: number
  readonly end: number

  constructor(text: string, options: CursorOptions = {}) {
    this.text = text
    this.at = options.start ?? 0
    this.end = options.end ?? text.length
    this.line = options.line ?? 1
  }

  /** Skips empty lines; false at the end. */
  more(): boolean {
    while (this.at < this.end && this.text.charCodeAt(this.at) === 10) {
      this.at++
      this.line++
    }
    return this.at < this.end
  }

  /** Whether the next line starts with `keyword`, as a whole word. Call after `more`. */
  nextIs(keyword: string): boolean {
    if (!this.text.startsWith(keyword, this.at)) return false
    const after = this.at + keyword.length
    if (after >= this.end) return after === this.end
    const code = this.text.charCodeAt(after)
    return code === 32 || code === 10 || code === 9
  }

  /**
   * The items of one section: up to the end, or up to the line that starts with one of `stops` (never the first line).
   * Annotations (lines that start with `@`) are skipped at the front where allowed, and refused otherwise.
   */
  section(table: DocumentTable, stops: readonly string[] = [], annotations: 'skip' | 'refuse' = 'refuse'): Section {
    const items: Item[] = []
    const first: (Item | undefined)[] = new Array<Item | undefined>(table.ordered.length).fill(undefined)
    let number = 0
    let firstLine = this.line
    // For the positions: number of the item among all, known or not.
    let lastItem: Item | undefined
    let beforeLast: Item | undefined
    while (this.more()) {
      if (number > 0 && stops.length > 0 && this.#atStop(stops)) break
      if (this.text.charCodeAt(this.at) === 64) {
        // Behind the first item an annotation belongs to the next document.
        if (annotations === 'skip' && number > 0) break
        if (annotations === 'refuse') throw documentError(table.name, this.line, undefined, 'annotation where none is allowed')
        this.#skipLine()
        continue
      }
      if (number === 0) firstLine = this.line
      const item = this.item(table.name)
      number++
      const rule = table.rules.get(item.keyword)
      beforeLast = lastItem
      lastItem = item
      if (rule === undefined) continue
      checkItem(rule, item, number, first)
      items.push(item)
    }
    for (const rule of table.ordered) {
      const item = first[rule.index]
      if (item === undefined) {
        if (rule.count === 'once' || rule.count === 'some') throw documentError(table.name, firstLine, rule.keyword, 'is missing')
      } else if ((rule.position === 'last' && item !== lastItem) || (rule.position === 'before-last' && item !== beforeLast)) {
        throw item.error('is not where it must be')
      }
    }
    return new Section(table, items, firstLine, first)
  }

  #atStop(stops: readonly string[]): boolean {
    for (const stop of stops) if (this.nextIs(stop)) return true
    return false
  }

  #skipLine(): void {
    const newline = this.text.indexOf('\n', this.at)
    this.at = newline < 0 || newline >= this.end ? this.end : newline + 1
    this.line++
  }

  /** The next item; call after `more` said so. */
  item(document: string): Item {
    const text = this.text
    const start = this.at
    const line = this.line
    let eol = text.indexOf('\n', start)
    if (eol < 0 || eol > this.end) eol = this.end
    if (eol - start > maxLineLength) throw documentError(document, line, undefined, `is longer than ${maxLineLength} characters`)
    let keywordStart = start
    let keywordEnd = endOfWord(text, start, eol)
    // dir-spec §1.2: "opt" in front of a keyword is skipped.
    if (keywordEnd - keywordStart === 3 && keywordEnd < eol && text.startsWith('opt', start)) {
      keywordStart = skipBlanks(text, keywordEnd, eol)
      keywordEnd = endOfWord(text, keywordStart, eol)
    }
    if (keywordEnd === keywordStart) throw documentError(document, line, undefined, 'starts with white space')
    const keyword = text.slice(keywordStart, keywordEnd)
    const rest = text.slice(skipBlanks(text, keywordEnd, eol), eol)
    // dir-spec §1.2: neither keywords nor arguments hold one; C tor's strings could not either.
    if (keyword.includes('\0') || rest.includes('\0')) throw documentError(document, line, undefined, 'holds a zero byte')
    this.at = Math.min(eol + 1, this.end)
    this.line = line + 1
    let tag: string | undefined
    let objectText = ''
    if (this.at < this.end && text.charCodeAt(this.at) === 45 && text.startsWith('-----BEGIN ', this.at)) {
      ;({ tag, objectText } = this.#object(document, keyword))
    }
    return new Item(document, keyword, rest, line, start, this.at, tag, objectText)
  }

  #object(document: string, keyword: string): { tag: string; objectText: string } {
    const text = this.text
    const beginEnd = text.indexOf('\n', this.at)
    if (beginEnd < 0 || beginEnd >= this.end || beginEnd - this.at > 100 || !text.startsWith('-----', beginEnd - 5) || beginEnd - this.at < 17) {
      throw documentError(document, this.line, keyword, 'malformed BEGIN line of its object')
    }
    const tag = text.slice(this.at + 11, beginEnd - 5)
    const bodyStart = beginEnd + 1
    const bodyEnd = text.indexOf('-----END ', bodyStart)
    const ending = `-----END ${tag}-----`
    if (bodyEnd < 0 || bodyEnd > this.end) throw documentError(document, this.line, keyword, 'its object has no END line')
    if (bodyEnd - bodyStart > maxObjectLength) throw documentError(document, this.line, keyword, `its object is longer than ${maxObjectLength} characters`)
    const after = bodyEnd + ending.length
    if (!text.startsWith(ending, bodyEnd) || after > this.end || (after < this.end && text.charCodeAt(after) !== 10)) {
      throw documentError(document, this.line, keyword, 'END line of its object does not match the BEGIN line')
    }
    const objectText = text.slice(bodyStart, bodyEnd)
    let lines = 2
    for (let i = objectText.indexOf('\n'); i >= 0; i = objectText.indexOf('\n', i + 1)) lines++
    this.line += lines
    this.at = Math.min(after + 1, this.end)
    return { tag, objectText }
  }
}

function checkItem(rule: NumberedRule, item: Item, number: number, first: (Item | undefined)[]): void {
  if (first[rule.index] === undefined) first[rule.index] = item
  else if (rule.count === 'once' || rule.count === 'optional') throw item.error('appears more than once')
  if (rule.fewest > 0 || rule.most !== anyNumber) {
    const count = item.args.length
    if (count < rule.fewest) throw item.error(`has ${count} arguments, at least ${rule.fewest} wanted`)
    if (count > rule.most) throw item.error(`has ${count} arguments, at most ${rule.most} wanted`)
  }
  if (rule.object === undefined) {
    if (item.objectTag !== undefined) throw item.error('has an object where none is allowed')
  } else if (item.objectTag !== rule.object && (item.objectTag === undefined || item.objectTag !== rule.oldObject) && (item.objectTag !== undefined || rule.objectOptional !== true)) {
    throw item.error(`wants an object "${rule.object}"`)
  }
  if ((rule.position === 'first' && number !== 1) || (rule.position === 'second' && number !== 2)) throw item.error('is not where it must be')
}

function endOfWord(text: string, start: number, end: number): number {
  let at = start
  while (at < end) {
    const code = text.charCodeAt(at)
    if (code === 32 || code === 9) break
    at++
  }
  return at
}

function skipBlanks(text: string, start: number, end: number): number {
  let at = start
  while (at < end) {
    const code = text.charCodeAt(at)
    if (code !== 32 && code !== 9) break
    at++
  }
  return at
}

function splitArguments(rest: string): readonly string[] {
  if (rest === '') return []
  const words = rest.split(' ', maxArguments + 1)
  const simple = !rest.includes('\t') && !words.includes('')
  const all = simple ? words : rest.split(/[ \t]+/, maxArguments + 2).filter((word) => word !== '')
  if (all.length > maxArguments) throw new RelishError('bad-document', `a line has more than ${maxArguments} arguments`)
  return all
}

/** Writes a document by the same table that reads it: a keyword, count or argument the table does not allow is a bug. */
export class DocumentWriter {
  readonly #table: DocumentTable
  readonly #counts: number[]
  readonly #parts: string[] = []

  constructor(table: DocumentTable) {
    this.#table = table
    this.#counts = table.ordered.map(() => 0)
  }

  /** `keyword arguments…`, and the object in base64 lines of 64 characters. */
  item(keyword: string, args: readonly (string | number)[] | string = [], object?: Uint8Array): this {
    const rule = this.#table.rules.get(keyword)
    assert(rule !== undefined, `table of ${this.#table.name} has ${keyword}`)
    const count = (this.#counts[rule.index] ?? 0) + 1
    this.#counts[rule.index] = count
    assert(count === 1 || rule.count === 'any' || rule.count === 'some', `${keyword} is written once`)
    assert(rule.position !== 'first' || this.#parts.length === 0, `${keyword} is written first`)
    assert((rule.object === undefined) === (object === undefined) || (object === undefined && rule.objectOptional === true), `${keyword} has the object its table says`)
    const rest = typeof args === 'string' ? args : args.join(' ')
    assert(typeof args === 'string' || (args.length >= rule.fewest && args.length <= rule.most), `${keyword} has as many arguments as its table says`)
    assert(!rest.includes('\n') && !rest.includes('\0'), `arguments of ${keyword} fit on a line`)
    // A text that happens to be empty keeps the blank after its keyword ("client-versions "), as C tor writes it.
    this.#parts.push(args.length === 0 && typeof args !== 'string' ? `${keyword}\n` : `${keyword} ${rest}\n`)
    if (object !== undefined) this.#parts.push(formatObject(rule.object ?? '', object))
    return this
  }

  /** The keyword alone, for items that may have arguments and have none. */
  bare(keyword: string): this {
    return this.item(keyword, [])
  }

  /** Text made elsewhere that belongs here, such as a certificate inside a vote. Ends with a newline. */
  verbatim(text: string): this {
    assert(text === '' || text.endsWith('\n'), 'text put into a document ends its line')
    this.#parts.push(text)
    return this
  }

  /** What is written so far: what a signature covers. */
  get text(): string {
    return this.#parts.join('')
  }

  finish(): string {
    for (const rule of this.#table.ordered) {
      assert((this.#counts[rule.index] ?? 0) > 0 || rule.count === 'optional' || rule.count === 'any', `${rule.keyword} is written`)
    }
    return this.text
  }
}

/** BEGIN line, base64 in lines of 64 characters, END line. */
export function formatObject(tag: string, body: Uint8Array): string {
  const encoded = base64Encode(body)
  let lines = ''
  for (let i = 0; i < encoded.length; i += 64) lines += `${encoded.slice(i, i + 64)}\n`
  return `-----BEGIN ${tag}-----\n${lines}-----END ${tag}-----\n`
}
