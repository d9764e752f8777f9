/**
 * One controller's session: commands in, replies out, in order (control-spec §3). It owns what belongs to the connection:
 * whether it has authenticated, which events it wants. What commands do is behind `ControlActions`.
 */

import { asRelishError, RelishError } from '../base/errors.ts'
import { hexEncodeUpper } from '../base/encoding.ts'
import { constantTimeEqual } from '../crypto/hashes.ts'
import type { ConfigLine } from '../torrc/config-line.ts'
import { controlSignals, type ControlActions, type ControlSignal } from './actions.ts'
import { parseKeyValues, parseSecret, quote, splitWords } from './arguments.ts'
import { authenticates, authMethods, challenge, NONCE_BYTES } from './authentication.ts'
import { ControlCommandDecoder, type ControlCommand } from './command-codec.ts'
import { commandsWaitingMax } from './limits.ts'
import { emitEvent, emitReply, keyValueLine, okReply, oneLine, type ControlReply, type ReplyLine } from './reply.ts'

export interface SessionOutput {
  send(bytes: Uint8Array): void
  /** After what was sent. */
  close(): void
}

type State =
  | { readonly name: 'unauthenticated'; readonly sawProtocolInfo: boolean }
  /** The next command must prove this (control-spec §3.24). */
  | { readonly name: 'challenged'; readonly expectedProof: Uint8Array }
  | { readonly name: 'authenticated' }
  | { readonly name: 'closed' }

/** What a command does; `undefined` means that `respond` will be called later. */
type Handler = (session: ControlSession, command: ControlCommand) => ControlReply | undefined

export class ControlSession {
  readonly actions: ControlActions
  readonly #output: SessionOutput
  readonly #decoder = new ControlCommandDecoder()
  readonly #waiting: ControlCommand[] = []
  #state: State = { name: 'unauthenticated', sawProtocolInfo: false }
  #busy = false
  events: ReadonlySet<string> = new Set()

  constructor(actions: ControlActions, output: SessionOutput) {
    this.actions = actions
    this.#output = output
  }

  get isAuthenticated(): boolean {
    return this.#state.name === 'authenticated'
  }

  handleData(chunk: Uint8Array): void {
    if (this.#state.name === 'closed') return
    const commands = this.#decoder.feed(chunk)
    for (;;) {
      let next: IteratorResult<ControlCommand, void>
      try {
        next = commands.next()
      } catch (thrown) {
        this.#closeAfter(oneLine(500, asRelishError(thrown).message))
        return
      }
      if (next.done === true) return
      // Each has its turn before the next is looked at: what is answered does not depend on where chunks end.
      this.#waiting.push(next.value)
      this.#next()
      if (this.#isClosed()) return
      if (this.#waiting.length > commandsWaitingMax) {
        this.#closeAfter(oneLine(500, 'too many commands at once'))
        return
      }
    }
  }

  /** Sends an event that the controller has asked for. `text` begins with the event's name. */
  sendEvent(text: string, data?: string): void {
    if (this.#state.name === 'authenticated') this.#output.send(emitEvent(text, data))
  }

  /** An event of several lines; the last one is `OK`. */
  sendEventLines(lines: readonly string[]): void {
    if (this.#state.name === 'authenticated') this.#output.send(emitReply(lines.map((text) => ({ code: 650, text }))))
  }

  /** The answer of a command that took its time. */
  respond(reply: ControlReply): void {
    this.#busy = false
    if (this.#state.name === 'closed') return
    this.#output.send(emitReply(reply))
    this.#next()
  }

  /** For commands after which nothing may be sent any more. */
  answerThen(reply: ControlReply, action: () => void): undefined {
    this.#output.send(emitReply(reply))
    this.#busy = false
    action()
    return undefined
  }

  closeAfter(reply: ControlReply): undefined {
    this.#closeAfter(reply)
    return undefined
  }

  setEvents(events: ReadonlySet<string>): void {
    this.events = events
    this.actions.eventsChanged(events)
  }

  #next(): void {
    while (!this.#busy) {
      const command = this.#waiting.shift()
      if (command === undefined || this.#isClosed()) return
      this.#busy = true
      const reply = this.#handle(command)
      if (reply !== undefined) {
        this.#busy = false
        if (!this.#isClosed()) this.#output.send(emitReply(reply))
      }
    }
  }

  #isClosed(): boolean {
    return this.#state.name === 'closed'
  }

  #handle(command: ControlCommand): ControlReply | undefined {
    if (this.#state.name !== 'authenticated') return this.#handleUnauthenticated(command, this.#state)
    const handler = handlers.get(command.keyword)
    if (handler === undefined) return oneLine(510, `Unrecognized command ${quote(command.keyword)}`)
    try {
      return handler(this, command)
    } catch (thrown) {
      return errorReply(asRelishError(thrown))
    }
  }

  /** control-spec §3.5: any other command, and any failure, ends the connection. */
  #handleUnauthenticated(command: ControlCommand, state: State): ControlReply | undefined {
    if (state.name === 'challenged' && command.keyword !== 'AUTHENTICATE') {
      return this.closeAfter(oneLine(514, 'Authentication required.'))
    }
    switch (command.keyword) {
      case 'PROTOCOLINFO': {
        if (state.name !== 'unauthenticated' || state.sawProtocolInfo) return this.closeAfter(oneLine(514, 'Authentication required.'))
        this.#state = { name: 'unauthenticated', sawProtocolInfo: true }
        return protocolInfo(this, command)
      }
      case 'AUTHCHALLENGE':
        return this.#challenge(command)
      case 'AUTHENTICATE':
        return this.#authenticate(command, state)
      case 'QUIT':
        return this.closeAfter(oneLine(250, 'closing connection'))
      default:
        return this.closeAfter(oneLine(514, 'Authentication required.'))
    }
  }

  #challenge(command: ControlCommand): ControlReply | undefined {
    const match = /^SAFECOOKIE[ \t]+(.+)$/i.exec(command.args)
    const { cookie } = this.actions.secrets()
    if (match === null) return this.closeAfter(oneLine(513, 'AUTHCHALLENGE only supports SAFECOOKIE authentication'))
    if (cookie === undefined) return this.closeAfter(oneLine(515, 'Cookie authentication is disabled'))
    let clientNonce: Uint8Array
    try {
      clientNonce = parseSecret(match[1] ?? '')
    } catch {
      return this.closeAfter(oneLine(513, 'Invalid base16 client nonce'))
    }
    const serverNonce = this.actions.randomBytes(NONCE_BYTES)
    const { serverHash, expectedProof } = challenge(cookie, clientNonce, serverNonce)
    this.#state = { name: 'challenged', expectedProof }
    return oneLine(250, `AUTHCHALLENGE SERVERHASH=${hexEncodeUpper(serverHash)} SERVERNONCE=${hexEncodeUpper(serverNonce)}`)
  }

  #authenticate(command: ControlCommand, state: State): ControlReply | undefined {
    let given: Uint8Array
    try {
      given = parseSecret(command.args)
    } catch {
      return this.closeAfter(oneLine(551, 'Invalid hexadecimal encoding. Maybe you tried a plain text password? If so, the standard requires that you put it in double quotes.'))
    }
    const good = state.name === 'challenged' ? constantTimeEqual(given, state.expectedProof) : authenticates(given, this.actions.secrets())
    if (!good) return this.closeAfter(oneLine(515, 'Authentication failed: wrong password or cookie'))
    this.#state = { name: 'authenticated' }
    return okReply
  }

  #closeAfter(reply: ControlReply): void {
    if (this.#state.name === 'closed') return
    this.#state = { name: 'closed' }
    this.#output.send(emitReply(reply))
    this.#output.close()
  }
}

function errorReply(error: RelishError): ControlReply {
  switch (error.kind) {
    case 'protocol':
      return oneLine(512, `syntax error in command argument: ${error.message}`)
    case 'config':
      return oneLine(513, `Unacceptable option value: ${error.message}`)
    case 'unavailable':
    case 'refused':
    case 'limit':
      return oneLine(552, error.message)
    case 'local-io':
      return oneLine(551, error.message)
    case 'bad-document':
    case 'bad-signature':
    case 'timeout':
      return oneLine(550, error.message)
    case 'bug':
      throw error
  }
}

/** control-spec §3.21. */
function protocolInfo({ actions }: ControlSession, command: ControlCommand): ControlReply {
  for (const version of splitWords(command.args)) {
    if (!/^\d+$/.test(version)) return oneLine(513, `No such version ${quote(version)}`)
  }
  const secrets = actions.secrets()
  const cookieFile = secrets.cookie === undefined || secrets.cookieFile === undefined ? '' : ` COOKIEFILE=${quote(secrets.cookieFile)}`
  return [
    { code: 250, text: 'PROTOCOLINFO 1' },
    { code: 250, text: `AUTH METHODS=${authMethods(secrets).join(',')}${cookieFile}` },
    { code: 250, text: `VERSION Tor=${quote(actions.version)}` },
    ...okReply,
  ]
}

/** control-spec §3.9. */
function getInfo({ actions }: ControlSession, command: ControlCommand): ControlReply {
  const lines: ReplyLine[] = []
  const unknown: string[] = []
  for (const key of splitWords(command.args)) {
    const answer = actions.info(key)
    if (answer.kind === 'failed') return oneLine(551, answer.reason)
    if (answer.kind === 'unknown') unknown.push(key)
    else lines.push(keyValueLine(key, answer.value))
  }
  if (unknown.length > 0) return unknown.map((key) => ({ code: 552, text: `Unrecognized key ${quote(key)}` }))
  return [...lines, ...okReply]
}

/** control-spec §3.3. */
function getConf({ actions }: ControlSession, command: ControlCommand): ControlReply {
  const keywords = splitWords(command.args)
  if (keywords.length === 0) return okReply
  const lines: ReplyLine[] = []
  const unknown: string[] = []
  for (const keyword of keywords) {
    const answer = actions.conf(keyword)
    if (answer.kind === 'unknown') unknown.push(keyword)
    else for (const { name, value } of answer.lines) lines.push({ code: 250, text: value === undefined ? name : `${name}=${value}` })
  }
  if (unknown.length > 0) return unknown.map((keyword) => ({ code: 552, text: `Unrecognized configuration key ${quote(keyword)}` }))
  return lines.length === 0 ? okReply : lines
}

/** control-spec §3.1, §3.2: a keyword without value is emptied by SETCONF and goes to its default by RESETCONF. */
function setConf(reset: boolean): Handler {
  return ({ actions }, command) => {
    const lines = parseKeyValues(command.args).map(
      ({ key, value }): ConfigLine => ({
        keyword: key,
        value: value ?? '',
        command: (value ?? '') !== '' ? 'replace' : reset ? 'reset' : 'clear',
        position: { file: 'controller' },
      }),
    )
    const unknown = lines.find((line) => !actions.knowsOption(line.keyword))
    if (unknown !== undefined) return oneLine(552, `Unrecognized option: Unknown option '${unknown.keyword}'.  Failing.`)
    actions.setConf(lines)
    return okReply
  }
}

/** control-spec §3.4. */
function setEvents(session: ControlSession, command: ControlCommand): ControlReply {
  const names = splitWords(command.args.toUpperCase()).filter((name) => name !== 'EXTENDED')
  const unknown = names.find((name) => !session.actions.eventNames.includes(name))
  if (unknown !== undefined) return oneLine(552, `Unrecognized event ${quote(unknown)}`)
  session.setEvents(new Set(names))
  return okReply
}

/** control-spec §3.7. */
function signal(session: ControlSession, command: ControlCommand): ControlReply | undefined {
  const name = command.args.trim().toUpperCase()
  const known = controlSignals.find((each) => each === name)
  if (known === undefined) return oneLine(552, `Unrecognized signal code ${quote(name)}`)
  return session.answerThen(okReply, () => session.actions.signal(known satisfies ControlSignal))
}

/** control-spec §3.19: both features are always on. */
function useFeature(_session: ControlSession, command: ControlCommand): ControlReply {
  const unknown = splitWords(command.args.toUpperCase()).find((name) => name !== 'VERBOSE_NAMES' && name !== 'EXTENDED_EVENTS')
  return unknown === undefined ? okReply : oneLine(552, `Unrecognized feature ${quote(unknown)}`)
}

/** control-spec §3.10: `EXTENDCIRCUIT 0 [path] [purpose=…]` makes a circuit. */
function extendCircuit(session: ControlSession, command: ControlCommand): ControlReply | undefined {
  const words = splitWords(command.args)
  const [id, ...rest] = words
  if (id === undefined || !/^\d+$/.test(id)) return oneLine(512, 'syntax error: circuit id expected')
  if (id !== '0') return oneLine(552, `Unknown circuit ${quote(id)}: circuits of this program are built whole`)
  const purpose = rest.find((word) => /^purpose=/i.test(word))?.slice('purpose='.length) ?? 'general'
  const path = rest.filter((word) => !/^purpose=/i.test(word)).flatMap((word) => word.split(','))
  session.actions.extendCircuit(path.length === 0 ? undefined : path, purpose, (outcome) =>
    session.respond(outcome.ok ? oneLine(250, `EXTENDED ${outcome.value}`) : oneLine(551, outcome.reason)),
  )
  return undefined
}

/** control-spec §3.17. */
function closeCircuit({ actions }: ControlSession, command: ControlCommand): ControlReply {
  const [id, ...flags] = splitWords(command.args)
  if (id === undefined || !/^\d{1,9}$/.test(id)) return oneLine(512, 'syntax error: circuit id expected')
  const onlyIfUnused = flags.some((flag) => flag.toUpperCase() === 'IFUNUSED')
  return actions.closeCircuit(Number(id), onlyIfUnused) ? okReply : oneLine(552, `Unknown circuit ${quote(id)}`)
}

/** control-spec §3.8. */
function mapAddress({ actions }: ControlSession, command: ControlCommand): ControlReply {
  const pairs = parseKeyValues(command.args)
  if (pairs.length === 0) return oneLine(512, 'syntax error: no addresses')
  return pairs.map(({ key, value }) => {
    if (value === undefined || value === '') return { code: 512, text: `syntax error: mapping ${quote(key)} is not of expected form 'foo=bar'.` }
    try {
      const made = actions.mapAddress(key, value)
      return { code: 250, text: `${made.from}=${made.to}` }
    } catch (thrown) {
      return { code: 512, text: `syntax error: ${asRelishError(thrown).message}` }
    }
  })
}

/** control-spec §3.20. */
function resolveNames({ actions }: ControlSession, command: ControlCommand): ControlReply {
  const words = splitWords(command.args)
  const reverse = words.some((word) => word.toLowerCase() === 'mode=reverse')
  for (const host of words.filter((word) => !word.includes('='))) actions.resolve(host, reverse)
  return okReply
}

const handlers: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['PROTOCOLINFO', protocolInfo],
  ['AUTHENTICATE', () => okReply],
  ['AUTHCHALLENGE', () => oneLine(551, 'AUTHCHALLENGE is for connections that have not authenticated')],
  ['QUIT', (session) => session.closeAfter(oneLine(250, 'closing connection'))],
  ['GETINFO', getInfo],
  ['GETCONF', getConf],
  ['SETCONF', setConf(false)],
  ['RESETCONF', setConf(true)],
  ['SETEVENTS', setEvents],
  ['SIGNAL', signal],
  ['USEFEATURE', useFeature],
  ['EXTENDCIRCUIT', extendCircuit],
  ['CLOSECIRCUIT', closeCircuit],
  ['MAPADDRESS', mapAddress],
  ['RESOLVE', resolveNames],
  [
    'LOADCONF',
    ({ actions }, { data }) => {
      if (data === undefined) return oneLine(512, 'LOADCONF takes its configuration as data')
      actions.loadConf(data)
      return okReply
    },
  ],
  [
    'SAVECONF',
    ({ actions }) => {
      actions.saveConf()
      return okReply
    },
  ],
  [
    'TAKEOWNERSHIP',
    ({ actions }) => {
      actions.takeOwnership(true)
      return okReply
    },
  ],
  [
    'DROPOWNERSHIP',
    ({ actions }) => {
      actions.takeOwnership(false)
      return okReply
    },
  ],
])
