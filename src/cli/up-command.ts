/** `relish up`, `down`, `configure`, `start`, `wait`, and the hidden `supervise` that a detached run consists of. */

import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { RelishError } from '../core/base/errors.ts'
import { connectToRun, ControlServer, type RemoteSession } from '../testnet/control-socket.ts'
import { fromWireError, toWireError, type WireError } from '../testnet/control-protocol.ts'
import { skippedByWarmGenesis } from '../testnet/genesis/genesis-words.ts'
import type { NetworkStatus } from '../testnet/session.ts'
import { LocalSession } from '../testnet/session.ts'
import { loadNetworkText } from '../testnet/load-network.ts'
import { RunDirectory } from '../testnet/run-directory.ts'
import { shellWord } from '../testnet/shell-word.ts'
import { tryConnect, withSession, type RunChoice } from './find-run.ts'
import { another, examples, levelWords, parseLevel, runChoice, withDirectory, withJson, withRunArgument, withSettings, withTrace, type LogLevelName } from './options.ts'
import { secondsText, terminalOutput, type Output } from './output.ts'
import { makeProgressView } from './progress-view.ts'
import { Interrupted, directoryOf, load, prepare, tracePath, untilSignal, watchStart, type RunOptions } from './run.ts'

interface UpOptions extends RunOptions {
  readonly detach?: boolean
  readonly json?: boolean
}

export function addUpCommands(program: Command): void {
  const logLevel = (command: Command): Command => command.option('--log-level <level>', levelWords, parseLevel)
  const clean = (command: Command): Command => command.option('--clean', 'forget keys and state of earlier runs in this directory first')

  examples(
    withJson(
      clean(
        logLevel(
          withDirectory(
            withSettings(
              withTrace(
                program
                  .command('up')
                  .description('start a network and hold it until Ctrl-C, or leave it running with --detach')
                  .argument('[network]', 'path of a network file, or a built-in name', 'basic')
                  .option('-d, --detach', 'return when the network is ready; `relish down` ends it'),
              ),
            ),
          ),
        ),
      ),
    ).action((network: string, options: UpOptions) => (options.detach === true ? upDetached(network, options) : upForeground(network, options))),
    ['relish up                            # holds `basic` until Ctrl-C', 'relish up --detach && curl --socks5-hostname "$(relish join --json | jq -r .socks[0].address)" http://127.0.0.1:8000/', 'relish up ./my.yaml --dir /tmp/mine'],
  )

  examples(
    withRunArgument(program.command('down').description('stop a run and everything in it').option('--clean', 'remove its run directory too')).action(
      async (network: string | undefined, options: RunChoice & { readonly clean?: boolean }) => {
        await down(runChoice(network, options), options.clean === true)
      },
    ),
    ['relish down', 'relish down basic --clean'],
  )

  examples(
    clean(
      logLevel(
        withDirectory(
          withSettings(program.command('configure').description('make keys, torrcs and the run directory; start nothing').argument('[network]', 'path of a network file, or a built-in name', 'basic')),
        ),
      ),
    ).action(async (network: string, options: RunOptions) => {
      const output = terminalOutput(false)
      const prepared = await prepare(load(network, output, options.set), options)
      const path = prepared.directory.path
      await prepared.close()
      output.fact(path)
    }),
    ['relish configure basic --dir ./net', 'relish configure basic && relish-tor -f .relish/basic/nodes/auth1/torrc'],
  )

  examples(
    logLevel(
      withDirectory(
        withSettings(withTrace(program.command('start').description('start a network in the background without waiting for it; see `wait`').argument('[network]', 'path of a network file, or a built-in name; the configured one if absent'))),
      ),
    ).action(async (network: string | undefined, options: RunOptions) => {
      const output = terminalOutput(false)
      const { directory, session } = await startDetached(network, options, output)
      session.close()
      output.fact(directory.path)
    }),
    ['relish start basic && relish wait && relish verify; relish down'],
  )

  examples(
    withRunArgument(program.command('wait').description('wait until every node of a running network is ready')).action((network: string | undefined, options: RunChoice) =>
      withSession(runChoice(network, options), (session) => session.wait([])),
    ),
    ['relish wait', 'relish wait --dir /tmp/mine'],
  )

  program
    .command('supervise', { hidden: true })
    .requiredOption('--dir <path>')
    .requiredOption('--source <path>')
    .option('--log-level <level>', '', parseLevel)
    .option('--set <name=value>', '', another)
    .option('--trace <file>')
    .action(supervise)
}

async function upForeground(nameOrPath: string, options: UpOptions): Promise<void> {
  const output = terminalOutput(options.json === true)
  const network = await prepare(load(nameOrPath, output, options.set), options)
  const session = new LocalSession(network)
  let control: ControlServer | undefined
  let askedDown: () => void = () => undefined
  const isDown = new Promise<void>((resolve) => {
    askedDown = resolve
  })
  let reached = false
  const watch = watchStart(network, output)
  try {
    await untilSignal(
      async () => {
        control = await ControlServer.open(network.directory, session, () => Promise.resolve(askedDown()))
        const result = await session.start([])
        reached = true
        const join = await session.join()
        if (options.json === true) describeUse(output, await session.status(), join, true)
        watch.view.hold([`ready after ${secondsText(result.elapsedMs)}`, ...(network.genesis === 'warm' ? [`warm genesis: ${skippedByWarmGenesis}`] : []), ...join.socks.map(socksLine), 'Ctrl-C ends it'])
        await isDown
      },
      async () => {
        watch.stop()
        await network.close()
        await control?.close()
      },
    )
  } catch (error) {
    // Ending a network that is up is what Ctrl-C is for.
    if (!(error instanceof Interrupted && reached)) throw error
  }
}

function describeUse(output: Output, status: NetworkStatus, join: { readonly socks: readonly { node: string; address: string }[] }, asJson: boolean): void {
  if (asJson) {
    output.json({ ...status, socks: join.socks })
    return
  }
  for (const one of join.socks) output.fact(socksLine(one))
}

const socksLine = (one: { readonly node: string; readonly address: string }): string => `${one.node}: SOCKS at ${one.address}`

async function upDetached(nameOrPath: string, options: UpOptions): Promise<void> {
  const output = terminalOutput(options.json === true)
  const { session, directory } = await startDetached(nameOrPath, options, output, true)
  try {
    describeUse(output, await session.status(), await session.join(), options.json === true)
    if (options.json !== true) output.note(`runs in ${directory.path}; \`relish down${options.dir === undefined ? '' : ` --dir ${shellWord(options.dir)}`}\` ends it`)
  } finally {
    session.close()
  }
}

/** Starts a supervisor and connects to it. With `untilReady`, also shows the start, and takes it down if it fails. */
async function startDetached(nameOrPath: string | undefined, options: RunOptions, output: Output, untilReady = false): Promise<{ session: RemoteSession; directory: RunDirectory }> {
  const choice: RunChoice = { ...(nameOrPath === undefined ? {} : { network: nameOrPath }), ...(options.dir === undefined ? {} : { dir: options.dir }) }
  let source: string
  let directory: RunDirectory
  if (nameOrPath === undefined) {
    const found = await tryConnect(choice)
    directory = found.directory
    if (found.session !== undefined) {
      // It runs: nodes that were stopped are started again.
      found.session.start([]).catch(() => undefined)
      return { session: found.session, directory }
    }
    const record = directory.readRecord()
    if (record === undefined) throw new RelishError('config', `${directory.path} is not configured`, { hint: 'name a network: relish start basic' })
    source = directory.networkFile
  } else {
    const loaded = load(nameOrPath, output, options.set)
    directory = directoryOf(loaded.network.name, options.dir)
    source = loaded.network.source
    if (options.clean === true) await (await prepare(loaded, options)).close()
  }
  await launchSupervisor(directory, source, options)
  const session = await connectToRun(directory)
  if (session === undefined) throw new RelishError('bug', 'the supervisor started, but does not answer')
  if (untilReady) await showStart(session, output)
  return { session, directory }
}

/** Follows a start in another process. A start that fails, or is interrupted, leaves nothing running. */
async function showStart(session: RemoteSession, output: Output): Promise<void> {
  let latest = await session.status()
  const statusOf = (name: string): NetworkStatus['nodes'][number] => latest.nodes.find((node) => node.name === name) ?? missingNode(name)
  const view = makeProgressView(output, () => latest.nodes.map((node) => ({ name: node.name, role: roleOf(node.role) })), statusOf)
  session.follow((record) => {
    if (!output.live) {
      view.onEvent(record)
      return
    }
    void session.status().then(
      (status) => {
        latest = status
        view.onEvent(record)
      },
      () => undefined,
    )
  })
  let up = false
  try {
    await untilSignal(
      async () => {
        await session.wait([])
        latest = await session.status()
        up = true
      },
      () => Promise.resolve(view.finish()),
    )
  } finally {
    if (!up) await endRun(session).catch(() => undefined)
  }
}

const roleOf = (role: string): 'authority' | 'relay' | 'exit' | 'client' => (role === 'authority' || role === 'relay' || role === 'exit' ? role : 'client')

function missingNode(name: string): never {
  throw new RelishError('bug', `the run reports an event of ${name}, which it does not list`)
}

/** Returns once it answers on its control socket; throws what it could not do. */
async function launchSupervisor(directory: RunDirectory, source: string, { logLevel, set, trace }: RunOptions): Promise<void> {
  mkdirSync(directory.path, { recursive: true, mode: 0o700 })
  const log = openSync(directory.supervisorLog, 'a', 0o600)
  const program = process.argv[1] ?? fileURLToPath(import.meta.url)
  const child = spawn(process.execPath, [program, 'supervise', '--dir', directory.path, '--source', source, ...(logLevel === undefined ? [] : ['--log-level', logLevel]), ...(set ?? []).flatMap((one) => ['--set', one]), ...(trace === undefined ? [] : ['--trace', tracePath(directory, trace)])], {
    detached: true,
    stdio: ['ignore', log, log, 'pipe'],
  })
  closeSync(log)
  const pipe = child.stdio[3]
  if (pipe === null || pipe === undefined || !('on' in pipe)) throw new RelishError('bug', 'a child process without the pipe that was asked for')
  let said = ''
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    pipe.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')))
    pipe.on('end', resolve)
    pipe.on('error', () => resolve())
  })
  child.unref()
  if (said.trim() === 'up') return
  if (said.trim() !== '') throw fromWireError(JSON.parse(said) as WireError)
  throw new RelishError('bug', `the supervisor ended without a word; see ${directory.supervisorLog}`)
}

/** A detached run: prepares, starts, serves the control socket until it is told to end. Says on descriptor 3 how that began. */
async function supervise(options: { dir: string; source: string; logLevel?: LogLevelName; set?: readonly string[]; trace?: string }): Promise<void> {
  const say = (words: string): void => {
    writeSync(3, words)
    closeSync(3)
  }
  const directory = new RunDirectory(options.dir)
  let network
  let control: ControlServer
  let askedDown: () => void = () => undefined
  const isDown = new Promise<void>((resolve) => {
    askedDown = resolve
  })
  let session: LocalSession
  try {
    // The copy in the run directory keeps the name and the relative paths of the file that it was made from.
    const record = options.source === directory.networkFile ? directory.readRecord() : undefined
    const path = record?.network.source ?? options.source
    const loaded = loadNetworkText(readFileSync(options.source, 'utf8'), path, process.env, options.set)
    network = await prepare(loaded, options)
    session = new LocalSession(network)
    const running = network
    control = await ControlServer.open(directory, session, async () => {
      await running.close()
      setImmediate(askedDown)
    })
  } catch (error) {
    say(JSON.stringify(toWireError(error)))
    await network?.close()
    return
  }
  const running = network
  const keepAlive = setInterval(() => undefined, 2 ** 30)
  try {
    await untilSignal(
      async () => {
        const starting = session.start([])
        say('up')
        await starting.catch((error: unknown) => {
          process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
        })
        await isDown
      },
      async () => {
        await running.close()
        await control.close()
      },
    )
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error
  } finally {
    clearInterval(keepAlive)
  }
  // Whatever a check of the user's own has left open, the run is over.
  process.exit()
}

/** Ends a run and waits until its process is gone as well. */
async function endRun(session: RemoteSession): Promise<void> {
  const { pid } = await session.status()
  await session.down()
  session.close()
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 5))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function down(choice: RunChoice, clean: boolean): Promise<void> {
  const { session, directory } = await tryConnect(choice)
  if (session !== undefined) await endRun(session)
  if (clean) {
    const { rmSync } = await import('node:fs')
    const { lockRunDirectory } = await import('../testnet/run-directory.ts')
    const lock = await lockRunDirectory(directory)
    rmSync(directory.path, { recursive: true, force: true })
    await lock.release()
  } else if (session === undefined) {
    terminalOutput(false).note(`nothing runs in ${directory.path}`)
  }
}

