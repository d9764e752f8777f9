/** Numbers of 32 bytes, least byte first, as Curve25519 and Ed25519 write them (RFC 7748 §5, RFC 8032 §5.1). */

export function littleEndianToBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
}

/** 32 bytes. */
export function bigIntToLittleEndian(value: bigint): Uint8Array {
  return new Uint8Array(Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse())
}
