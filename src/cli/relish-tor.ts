/** `relish-tor`: one node, a drop-in for `tor`. Only what a command needs is loaded. */

import { readFileSync } from 'node:fs'
import { asRelishError } from '../core/base/errors.ts'
import { describeConfigError } from '../core/torrc/config.ts'
import { parseCommandLine, type TorCommandLine } from './tor/command-line.ts'
import { isDaemonChild, startDaemon } from './tor/daemon.ts'
import { loadConfig, type LoadedConfig } from './tor/load-config.ts'
import { NodeLog } from './tor/node-log.ts'

async function main(args: readonly string[]): Promise<number> {
  let commandLine: TorCommandLine
  try {
    commandLine = parseCommandLine(args)
  } catch (thrown) {
    process.stderr.write(`relish-tor: ${describeConfigError(asRelishError(thrown))}\n`)
    return 1
  }
  const printed = await printImmediately(commandLine)
  if (printed !== undefined) return print(printed)

  const log = new NodeLog(commandLine.quietness)
  let loaded: LoadedConfig
  const standardInput = commandLine.torrcFile === '-' ? readFileSync(0, 'utf8') : undefined
  try {
    loaded = loadConfig(commandLine, standardInput)
  } catch (thrown) {
    return refuseConfig(log, commandLine, describeConfigError(asRelishError(thrown)))
  }
  switch (commandLine.command) {
    case 'verify-config':
      for (const warning of loaded.config.warnings) log.write('warn', 'config', warning)
      return print('Configuration was valid\n')
    case 'dump-config': {
      const { dumpOutput } = await import('./tor/one-shot.ts')
      return printOrRefuse(log, commandLine, () => dumpOutput(loaded.config, commandLine.argument))
    }
    case 'list-fingerprint': {
      const { listFingerprint } = await import('./tor/keys.ts')
      return printOrRefuse(log, commandLine, () => listFingerprint(loaded.config, commandLine.argument))
    }
    case 'keygen': {
      const { generateKeys } = await import('./tor/keys.ts')
      return printOrRefuse(log, commandLine, async () => {
        await generateKeys(loaded.config)
        return ''
      })
    }
    default:
      return run(commandLine, loaded, log, standardInput)
  }
}

async function run(commandLine: TorCommandLine, loaded: LoadedConfig, log: NodeLog, standardInput: string | undefined): Promise<number> {
  const { options } = loaded.config
  if (options.DirAuthority.length + options.AlternateDirAuthority.length === 0) {
    return refuseConfig(log, commandLine, 'no DirAuthority lines: this program has no built-in authorities, since it is for private networks')
  }
  if (options.RunAsDaemon && !isDaemonChild()) {
    const inherited = options.TestingListenFd.map((listener) => listener.fd)
    if (options.TestingEventsFd >= 0) inherited.push(options.TestingEventsFd)
    return startDaemon(inherited, standardInput)
  }
  const { runNode } = await import('./tor/run-node.ts')
  return runNode(commandLine, loaded, log)
}

/** What needs no configuration. */
async function printImmediately({ command, argument }: TorCommandLine): Promise<string | undefined> {
  switch (command) {
    case 'version':
      return (await import('./tor/one-shot.ts')).versionOutput()
    case 'help':
      return (await import('./tor/one-shot.ts')).helpOutput()
    case 'list-modules':
      return (await import('./tor/one-shot.ts')).modulesOutput()
    case 'library-versions':
      return (await import('./tor/one-shot.ts')).libraryOutput()
    case 'list-torrc-options':
      return (await import('./tor/one-shot.ts')).torrcOptionsOutput()
    case 'list-deprecated-options':
      return ''
    case 'hash-password':
      return (await import('./tor/one-shot.ts')).hashPasswordOutput(argument)
    default:
      return undefined
  }
}

function refuseConfig(log: NodeLog, commandLine: TorCommandLine, message: string): number {
  log.write('warn', 'config', `Failed to parse/validate config: ${message}`)
  log.write('error', 'config', 'Reading config failed--see warnings above.')
  // Silence is for what goes well.
  if (commandLine.quietness === 'silent') process.stderr.write(`relish-tor: ${message}\n`)
  return 1
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

async function printOrRefuse(log: NodeLog, commandLine: TorCommandLine, make: () => string | Promise<string>): Promise<number> {
  try {
    return print(await make())
  } catch (thrown) {
    return refuseConfig(log, commandLine, describeConfigError(asRelishError(thrown)))
  }
}

main(process.argv.slice(2)).then(
  (code) => {
    // Output to a pipe may still be on its way: then the process ends by itself.
    if (process.stdout.writableLength === 0) process.exit(code)
    process.exitCode = code
  },
  (thrown) => {
    process.stderr.write(`relish-tor: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}\n`)
    process.exit(1)
  },
)
