/** `--list-fingerprint` and `--keygen`: keys of a relay without running it. */

import { RelishError } from '../../core/base/errors.ts'
import { loadOrCreateRelayKeys, type RelayKeys } from '../../core/cert/relay-keys.ts'
import { formatEd25519Identity, formatFingerprint, formatSpacedFingerprint } from '../../core/ident/fingerprint.ts'
import { isRelay } from '../../core/torrc/validate.ts'
import type { TorConfig } from '../../core/torrc/config.ts'
import { createHostRuntime } from '../../host/host-runtime.ts'
import { dataDirectoryOf } from './load-config.ts'

function relayKeys(config: TorConfig): Promise<RelayKeys> {
  const runtime = createHostRuntime({
    dataDirectory: dataDirectoryOf(config),
    onBug: (error) => {
      throw error
    },
  })
  const { options } = config
  return new Promise((resolve, reject) => {
    loadOrCreateRelayKeys(
      runtime.files,
      {
        nickname: options.Nickname ?? 'Unnamed',
        now: runtime.wallNow(),
        rng: runtime.rng('relay keys'),
        generateRsaKey: (bits, onKey) => runtime.generateRsaKey(bits, onKey),
        signingKeyLifetime: options.SigningKeyLifetime,
        signingKeySlop: options.TestingSigningKeySlop,
      },
      (result) => (result instanceof RelishError ? reject(result) : resolve(result)),
    )
  })
}

/** `form`: `rsa`, `ed25519` or empty, as C tor's optional argument of --list-fingerprint. */
export async function listFingerprint(config: TorConfig, form: string): Promise<string> {
  if (!isRelay(config.options)) throw new RelishError('config', '--list-fingerprint needs a configuration with an ORPort: only relays have fingerprints')
  if (form !== '' && form !== 'rsa' && form !== 'ed25519') throw new RelishError('config', `--list-fingerprint is of rsa or ed25519, not "${form}"`)
  const keys = await relayKeys(config)
  const nickname = config.options.Nickname ?? 'Unnamed'
  if (form === 'ed25519') return `${nickname} ${formatEd25519Identity(keys.ed25519Identity)}\n`
  // Chutney joins the words behind the nickname; C tor separates groups of four digits.
  return form === 'rsa' ? `${nickname} ${formatFingerprint(keys.rsaFingerprint)}\n` : `${nickname} ${formatSpacedFingerprint(keys.rsaFingerprint)}\n`
}

export async function generateKeys(config: TorConfig): Promise<void> {
  await relayKeys(config)
}
