/** A set of relays as the configuration names it; `RouterSet` of core/torrc is one. Declared here because this layer comes first. */
export interface RelaySet {
  contains(relay: { readonly rsaIdentity: Uint8Array; readonly nickname?: string; readonly addresses: readonly { readonly host: string; readonly port: number }[] }): boolean
}
