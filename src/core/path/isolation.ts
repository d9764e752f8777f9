/**
 * Which streams may share a circuit (tor(1), the isolation flags of SocksPort; proposal 171).
 *
 * A circuit remembers the fields of the first stream it carried, and which fields have had more than one value since. A
 * stream that is isolated by a field goes only to circuits on which that field has one value, its own.
 */

/** The fields streams may be isolated by. */
export interface IsolationFields {
  readonly clientAddress: string
  /** User name and password of SOCKS 5, user id of SOCKS 4, or Proxy-Authorization; empty when none were given. */
  readonly credentials: string
  /** `socks4`, `socks5`, `http-connect`, … */
  readonly protocol: string
  readonly destinationPort: string
  readonly destinationAddress: string
  /** The listener, or its SessionGroup. */
  readonly sessionGroup: string
  /** Counts up with every NEWNYM. */
  readonly nymEpoch: string
}

export type IsolationField = keyof IsolationFields

const allFields: readonly IsolationField[] = ['clientAddress', 'credentials', 'protocol', 'destinationPort', 'destinationAddress', 'sessionGroup', 'nymEpoch']
/** No flag turns these off. */
const alwaysIsolated: readonly IsolationField[] = ['sessionGroup', 'nymEpoch']

export interface StreamIsolation {
  readonly fields: IsolationFields
  readonly isolatedBy: ReadonlySet<IsolationField>
}

/** `flags` as a listener has them. */
export function streamIsolation(
  fields: IsolationFields,
  flags: { readonly clientAddr: boolean; readonly socksAuth: boolean; readonly clientProtocol: boolean; readonly destPort: boolean; readonly destAddr: boolean },
): StreamIsolation {
  const isolatedBy = new Set<IsolationField>(alwaysIsolated)
  if (flags.clientAddr) isolatedBy.add('clientAddress')
  if (flags.socksAuth) isolatedBy.add('credentials')
  if (flags.clientProtocol) isolatedBy.add('protocol')
  if (flags.destPort) isolatedBy.add('destinationPort')
  if (flags.destAddr) isolatedBy.add('destinationAddress')
  return { fields, isolatedBy }
}

/** The isolation side of one circuit. */
export class CircuitIsolation {
  #first: IsolationFields | undefined
  readonly #mixed = new Set<IsolationField>()
  readonly #isolatedBy = new Set<IsolationField>()

  /** Whether the stream may use the circuit. */
  allows(stream: StreamIsolation): boolean {
    const first = this.#first
    if (first === undefined) return true
    // C tor asks only by what this stream is isolated. An earlier stream's isolation holds here, too: whoever asked not
    // to share by a field must not get company later.
    return allFields.every((field) => {
      if (!stream.isolatedBy.has(field) && !this.#isolatedBy.has(field)) return true
      return !this.#mixed.has(field) && first[field] === stream.fields[field]
    })
  }

  /** The stream is attached now. */
  add(stream: StreamIsolation): void {
    for (const field of stream.isolatedBy) this.#isolatedBy.add(field)
    if (this.#first === undefined) {
      this.#first = stream.fields
      return
    }
    for (const field of allFields) if (this.#first[field] !== stream.fields[field]) this.#mixed.add(field)
  }

  /** How many fields would become mixed: the fewer, the better the circuit suits. Undefined for a clean circuit. */
  costOf(stream: StreamIsolation): number | undefined {
    const first = this.#first
    if (first === undefined) return undefined
    return allFields.filter((field) => !this.#mixed.has(field) && first[field] !== stream.fields[field]).length
  }

  get isClean(): boolean {
    return this.#first === undefined
  }

  /** Forgets all: for a circuit launched for streams that went away before any was attached. */
  clear(): void {
    this.#first = undefined
    this.#mixed.clear()
    this.#isolatedBy.clear()
  }
}
