/** The commands of `relish-tor` that print something and end. */

import { randomBytes } from 'node:crypto'
import { RelishError } from '../../core/base/errors.ts'
import { programVersion, torVersion, versionText } from '../../core/base/version.ts'
import { formatHashedPassword, hashPassword } from '../../core/torrc/hashed-password.ts'
import { hiddenServiceOptionNames, optionNames } from '../../core/torrc/option-table.ts'
import { dumpConfig } from '../../core/torrc/dump.ts'
import type { TorConfig } from '../../core/torrc/config.ts'

/** `tor --version`, in the form that Stem and Chutney read: the first line ends in the version and a full stop. */
export const versionOutput = (): string =>
  [
    `Tor version ${versionText}.`,
    `This is relish-tor ${programVersion}, a node for private Tor networks, compatible with Tor ${torVersion}.`,
    `It is running on Node.js ${process.versions.node} with OpenSSL ${process.versions.openssl} and zlib ${process.versions.zlib}.`,
    '',
  ].join('\n')

export const helpOutput = (): string => `relish-tor ${programVersion}: one node of a private Tor network, a drop-in for tor

relish-tor -f TORRC [--OPTION VALUE | +OPTION VALUE | /OPTION]…

  -f FILE                     configuration file; - is standard input
  --defaults-torrc FILE       configuration read before it
  --ignore-missing-torrc      go on if the configuration file does not exist
  --OPTION VALUE              any option of a torrc, which takes the place of the file's
  --verify-config             check the configuration and end
  --dump-config short|full    print the configuration: what is set, or everything
  --list-torrc-options        print the names of all options
  --list-fingerprint          print nickname and fingerprint, made now if there is none
  --keygen                    make the keys of a relay and end
  --hash-password PASSWORD    print a value for HashedControlPassword
  --list-modules              print what this program is able to be
  --quiet, --hush             log nothing, or only warnings, to standard output
  --version, --help

Examples:
  relish-tor -f authority.torrc --DataDirectory /tmp/a1
  relish-tor -f client.torrc --SocksPort auto --Log "info stdout"

Exit status: 0 after an orderly end, 1 for a bad configuration or a failure.
`

/** `tor --list-modules`. Chutney asks it for dirauth. */
export const modulesOutput = (): string => 'relay: yes\ndirauth: yes\ndircache: yes\npow: no\n'

export const libraryOutput = (): string =>
  [`relish-tor ${programVersion}`, `Node.js \t${process.versions.node}`, `OpenSSL \t${process.versions.openssl}`, `Zlib    \t${process.versions.zlib}`, ''].join('\n')

/** All names, in C tor's order. */
export function torrcOptionsOutput(): string {
  const names = [...optionNames, ...hiddenServiceOptionNames].sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1))
  return names.map((name) => `${name}\n`).join('')
}

export const hashPasswordOutput = (password: string): string => `${formatHashedPassword(hashPassword(password, randomBytes(8)))}\n`

/** Throws `config` for another form than short and full. */
export function dumpOutput(config: TorConfig, form: string): string {
  if (form === '' || form === 'short' || form === 'full') return dumpConfig(config, form === 'full' ? 'full' : 'short')
  throw new RelishError('config', `--dump-config is short or full, not "${form}"`)
}
