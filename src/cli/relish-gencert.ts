/**
 * `relish-gencert`: identity key, signing key and certificate of a directory authority, a drop-in for `tor-gencert`.
 * dir-spec §3.1.
 */

import { generateKeyPair } from 'node:crypto'
import { closeSync, existsSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import { latin1Encode, utf8Encode } from '../core/base/encoding.ts'
import { asRelishError, RelishError } from '../core/base/errors.ts'
import { wallMs, type WallMs } from '../core/base/time.ts'
import { AUTHORITY_IDENTITY_KEY_BITS, AUTHORITY_SIGNING_KEY_BITS, emitAuthorityIdentityKey, parseAuthorityIdentityKey } from '../core/cert/authority-keys.ts'
import { RsaPrivateKey } from '../core/crypto/rsa.ts'
import { parseAddressPort } from '../core/ident/address.ts'
import { emitRsaKeyFile, parseRsaKeyFile } from '../core/ident/key-files.ts'
import { emitAuthorityCertificate, signAuthorityCertificate } from '../core/netdoc/authority-certificate.ts'

interface GencertOptions {
  readonly createIdentityKey: boolean
  readonly reuseSigningKey: boolean
  readonly identityFile: string
  readonly signingFile: string
  readonly certificateFile: string
  readonly months: number
  readonly address: string | undefined
  readonly passphraseFd: number | undefined
  readonly verbose: boolean
}

const help = `relish-gencert [-hrv] [--create-identity-key] [--reuse] [-i FILE] [-s FILE] [-c FILE]
               [-m MONTHS] [-a ADDRESS:PORT] [--passphrase-fd FD]

Makes the keys and certificate of a directory authority.

  --create-identity-key   make a new identity key; otherwise the one in the identity file is used
  -r, --reuse             keep the signing key and certify it again
  -i, --identity-key-file FILE   identity key, encrypted (./authority_identity_key)
  -s, --signing-key-file FILE    signing key (./authority_signing_key)
  -c, --certificate-file FILE    certificate (./authority_certificate)
  -m, --lifetime MONTHS          lifetime of the certificate, 1 to 24 (12)
  -a, --address ADDRESS:PORT     directory address to state in the certificate
  --passphrase-fd FD             read the passphrase of the identity key from this descriptor
  -v, --verbose; -h, --help

Example:
  relish-gencert --create-identity-key -m 12 -a 127.0.0.1:7000 --passphrase-fd 0 < passphrase
`

/** Throws `config`. Undefined: help was asked for. */
function parseOptions(args: readonly string[]): GencertOptions | undefined {
  const options = {
    createIdentityKey: false,
    reuseSigningKey: false,
    identityFile: './authority_identity_key',
    signingFile: './authority_signing_key',
    certificateFile: './authority_certificate',
    months: 12,
    address: undefined as string | undefined,
    passphraseFd: undefined as number | undefined,
    verbose: false,
  }
  for (let at = 0; at < args.length; at++) {
    const flag = args[at] ?? ''
    const value = (): string => {
      const next = args[++at]
      if (next === undefined) throw new RelishError('config', `${flag} needs a value`)
      return next
    }
    switch (flag) {
      case '-h':
      case '--help':
        return undefined
      case '-v':
      case '--verbose':
        options.verbose = true
        break
      case '--create-identity-key':
        options.createIdentityKey = true
        break
      case '-r':
      case '--reuse':
        options.reuseSigningKey = true
        break
      case '-i':
      case '--identity-key-file':
        options.identityFile = value()
        break
      case '-s':
      case '--signing-key-file':
        options.signingFile = value()
        break
      case '-c':
      case '--certificate-file':
        options.certificateFile = value()
        break
      case '-m':
      case '--lifetime':
        options.months = wholeNumber(flag, value(), 1, 24)
        break
      case '-a':
      case '--address': {
        const address = value()
        if (parseAddressPort(address) === undefined) throw new RelishError('config', `${flag}: expected ADDRESS:PORT, not "${address}"`)
        options.address = address
        break
      }
      case '--passphrase-fd':
        options.passphraseFd = wholeNumber(flag, value(), 0, 1_000_000)
        break
      default:
        throw new RelishError('config', `unknown argument "${flag}"`, { hint: '--help lists them' })
    }
  }
  return options
}

function wholeNumber(flag: string, text: string, low: number, high: number): number {
  const number = /^\d{1,7}$/.test(text) ? Number(text) : NaN
  if (!(number >= low && number <= high)) throw new RelishError('config', `${flag} is a number from ${low} to ${high}, not "${text}"`)
  return number
}

async function main(args: readonly string[]): Promise<void> {
  const options = parseOptions(args)
  if (options === undefined) {
    process.stdout.write(help)
    return
  }
  const say = (text: string): void => {
    if (options.verbose) process.stderr.write(`${text}\n`)
  }
  const passphrase = readPassphrase(options)
  const [identityKey, signingKey] = await Promise.all([identityKeyOf(options, passphrase, say), signingKeyOf(options, say)])
  const now = wallMs(Date.now())
  const certificate = signAuthorityCertificate(
    { published: now, expires: addMonths(now, options.months), ...(options.address === undefined ? {} : { address: addressOf(options.address) }) },
    identityKey,
    signingKey,
  )
  writeFileSync(options.certificateFile, latin1Encode(emitAuthorityCertificate(certificate)), { mode: 0o600 })
  say(`Wrote the certificate of ${certificate.identityFingerprint} to ${options.certificateFile}`)
}

function addressOf(text: string): { readonly host: string; readonly port: number } {
  const address = parseAddressPort(text)
  if (address === undefined) throw new RelishError('bug', 'the address was checked before')
  return address
}

async function identityKeyOf(options: GencertOptions, passphrase: string, say: (text: string) => void): Promise<RsaPrivateKey> {
  if (!options.createIdentityKey) {
    const pem = readKeyFile(options.identityFile, 'identity key; --create-identity-key makes one')
    try {
      return parseAuthorityIdentityKey(pem, passphrase)
    } catch (thrown) {
      throw asRelishError(thrown).within(`${options.identityFile} (is the passphrase right?)`)
    }
  }
  if (existsSync(options.identityFile)) throw new RelishError('config', `${options.identityFile} exists already`, { hint: 'an identity is not replaced by accident: move the file away first' })
  say('Making the identity key; this may take a moment.')
  const key = await generate(AUTHORITY_IDENTITY_KEY_BITS)
  writeFileSync(options.identityFile, emitAuthorityIdentityKey(key, passphrase), { mode: 0o400, flag: 'wx' })
  return key
}

async function signingKeyOf(options: GencertOptions, say: (text: string) => void): Promise<RsaPrivateKey> {
  if (options.reuseSigningKey) return parseRsaKeyFile(readKeyFile(options.signingFile, 'signing key to reuse'))
  say('Making the signing key.')
  const key = await generate(AUTHORITY_SIGNING_KEY_BITS)
  writeFileSync(options.signingFile, emitRsaKeyFile(key), { mode: 0o600 })
  return key
}

function readKeyFile(path: string, what: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path))
  } catch (cause) {
    throw new RelishError('local-io', `cannot read ${path}, the ${what}`, { cause })
  }
}

function generate(bits: number): Promise<RsaPrivateKey> {
  return new Promise((resolve, reject) => {
    generateKeyPair('rsa', { modulusLength: bits, publicExponent: 0x10001 }, (error, _publicKey, privateKey) => {
      if (error === null) resolve(new RsaPrivateKey(privateKey))
      else reject(new RelishError('bug', `OpenSSL makes no RSA key of ${bits} bits`, { cause: error }))
    })
  })
}

/** Months of the calendar, with the time of day kept. */
function addMonths(from: WallMs, months: number): WallMs {
  const date = new Date(from)
  date.setUTCMonth(date.getUTCMonth() + months)
  return wallMs(date.getTime())
}

/** From the descriptor, up to a line's end; otherwise asked for on the terminal. */
function readPassphrase(options: GencertOptions): string {
  if (options.passphraseFd !== undefined) return firstLine(options.passphraseFd)
  let terminal: number
  try {
    terminal = openSync('/dev/tty', 'r+')
  } catch (cause) {
    throw new RelishError('config', 'no terminal to ask for the passphrase on', { cause, hint: 'give it with --passphrase-fd' })
  }
  try {
    writeFileSync(terminal, utf8Encode('Passphrase of the identity key (shown as you type): '))
    return firstLine(terminal)
  } finally {
    closeSync(terminal)
  }
}

function firstLine(fd: number): string {
  const bytes = Buffer.alloc(1024)
  let length = 0
  while (length < bytes.length && !bytes.subarray(0, length).includes(10)) {
    const read = readSync(fd, bytes, length, bytes.length - length, null)
    if (read === 0) break
    length += read
  }
  return bytes.subarray(0, length).toString('utf8').split(/\r?\n/)[0] ?? ''
}

main(process.argv.slice(2)).catch((thrown: unknown) => {
  const error = asRelishError(thrown)
  process.stderr.write(`relish-gencert: ${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}\n`)
  process.exitCode = 1
})
