/** Relay keys and link credentials that follow from a name: the same in every run. */

import { must } from '../../src/core/base/assert.ts'
import { SeededRng } from '../../src/core/base/rng.ts'
import type { WallMs } from '../../src/core/base/time.ts'
import { makeLinkCredentials, type LinkCredentials } from '../../src/core/cert/link-certs.ts'
import { loadOrCreateRelayKeys, type RelayKeys } from '../../src/core/cert/relay-keys.ts'
import { rsaKeyFromRng } from '../../src/core/crypto/rsa-seeded.ts'
import { tlsKeyFromRng } from '../../src/sim/tls-key.ts'
import { MemoryKeyStore } from './memory-key-store.ts'

export interface TestRelay {
  readonly keys: RelayKeys
  readonly credentials: LinkCredentials
}

export function testRelay(name: string, now: WallMs): TestRelay {
  const rng = new SeededRng(`relay ${name}`)
  let made: RelayKeys | undefined
  loadOrCreateRelayKeys(
    new MemoryKeyStore(),
    { nickname: name, now, rng, generateRsaKey: (bits, onKey) => onKey(rsaKeyFromRng(rng, bits)) },
    (result) => {
      if (result instanceof Error) throw result
      made = result
    },
  )
  const keys = must(made, 'keys are made at once')
  return { keys, credentials: makeLinkCredentials(keys, tlsKeyFromRng(rng), { now, rng }) }
}
