/**
 * A network of authorities and relays of C tor and ours, each a process, for tests that follow the consensus from period
 * to period. Needs `tor` and `tor-gencert` on the PATH.
 */

import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BuiltCli } from '../support/built-cli.ts'

export type Implementation = 'tor' | 'relish'

export interface MemberSpec {
  readonly name: string
  readonly implementation: Implementation
  readonly authority?: boolean
  /** More torrc lines; `%FOLDER%` stands for the member's data directory. */
  readonly torrc?: readonly string[]
  /** Members of one family name each other, and share a family key. */
  readonly family?: string
}

export interface Member extends MemberSpec {
  readonly folder: string
  readonly address: string
  readonly fingerprint: string
  readonly v3Identity: string | undefined
  child: ChildProcess | undefined
}

const orPort = 5001
const dirPort = 7001

export class VotingNetwork {
  readonly members: readonly Member[]
  readonly folder: string
  readonly #cli: BuiltCli
  readonly #schedule: readonly string[]

  /** `block`: the second number of the members' addresses, so that networks do not meet. `schedule`: torrc lines of authorities. */
  constructor(cli: BuiltCli, options: { block: number; schedule: readonly string[]; members: readonly MemberSpec[] }) {
    this.#cli = cli
    this.folder = mkdtempSync(join(tmpdir(), 'relish-voting-'))
    this.#schedule = options.schedule
    this.members = options.members.map((spec, index) => this.#make(spec, `127.${options.block}.${index + 1}.1`))
    for (const family of new Set(options.members.flatMap((spec) => spec.family ?? []))) this.#makeFamilyKey(family)
    for (const member of this.members) this.writeTorrc(member)
  }

  get authorities(): readonly Member[] {
    return this.members.filter((member) => member.authority === true)
  }

  member(name: string): Member {
    const found = this.members.find((member) => member.name === name)
    if (found === undefined) throw new Error(`no member is called ${name}`)
    return found
  }

  start(member: Member): void {
    const output = openSync(join(member.folder, 'output'), 'a')
    const [program, args] = member.implementation === 'tor' ? ['tor', ['--quiet']] : [process.execPath, [this.#cli.torPath]]
    member.child = spawn(program, [...args, '-f', join(member.folder, 'torrc')], { stdio: ['ignore', output, output] })
  }

  /** Lines below the others of its torrc. */
  writeTorrc(member: Member, more: readonly string[] = []): void {
    const relatives = this.members.filter((one) => one.family !== undefined && one.family === member.family)
    const authorities = this.authorities.map((one) => `DirAuthority ${one.name} orport=${orPort} no-v2 v3ident=${one.v3Identity} ${one.address}:${dirPort} ${one.fingerprint}`)
    const family = relatives.length === 0 ? [] : [`MyFamily ${relatives.map((one) => `$${one.fingerprint}`).join(',')}`, 'FamilyId *']
    writeFileSync(join(member.folder, 'torrc'), [...this.#ownLines(member), ...authorities, ...family, ...(member.torrc ?? []), ...more, ''].join('\n').replaceAll('%FOLDER%', member.folder))
  }

  hangUp(member: Member): void {
    member.child?.kill('SIGHUP')
  }

  log(member: Member): string {
    return readFileSync(join(member.folder, 'log'), 'utf8')
  }

  stop(member: Member): Promise<void> {
    return this.#end(member, 'SIGKILL')
  }

  /** Lets it save what it knows. */
  interrupt(member: Member): Promise<void> {
    return this.#end(member, 'SIGINT')
  }

  /** Ends all nodes. Their files are removed unless somebody wants to look into them. */
  async close(files: 'remove' | 'keep' = 'remove'): Promise<void> {
    await Promise.all(this.members.map((member) => this.stop(member)))
    if (files === 'remove') rmSync(this.folder, { recursive: true, force: true })
  }

  async #end(member: Member, signal: NodeJS.Signals): Promise<void> {
    const { child } = member
    member.child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    await new Promise((resolve) => child.once('exit', resolve).kill(signal))
  }

  #ownLines(member: Pick<Member, 'name' | 'implementation' | 'folder' | 'address' | 'authority'>): string[] {
    return [
      'TestingTorNetwork 1', `DataDirectory ${member.folder}`, `Nickname ${member.name}`, `Address ${member.address}`, `OutboundBindAddress ${member.address}`,
      `ORPort ${member.address}:${orPort}`, 'SocksPort 0', 'ContactInfo x@example.com', `Log notice file ${member.folder}/log`, 'AssumeReachable 1', 'ProtocolWarnings 1',
      'TestingDirAuthVoteExit *', 'TestingDirAuthVoteGuard *', 'TestingDirAuthVoteHSDir *',
      // There may be no exit to predict circuits with.
      ...(member.implementation === 'tor' ? ['__DisablePredictedCircuits 1'] : []),
      ...(member.authority === true ? [`DirPort ${member.address}:${dirPort}`, 'AuthoritativeDirectory 1', 'V3AuthoritativeDirectory 1', ...this.#schedule] : []),
    ]
  }

  #make(spec: MemberSpec, address: string): Member {
    const folder = join(this.folder, spec.name)
    mkdirSync(join(folder, 'keys'), { recursive: true, mode: 0o700 })
    chmodSync(folder, 0o700)
    let v3Identity: string | undefined
    if (spec.authority === true) {
      execFileSync('tor-gencert', ['--create-identity-key', '-m', '12', '--passphrase-fd', '0'], { cwd: join(folder, 'keys'), input: 'password\n', stdio: ['pipe', 'ignore', 'ignore'] })
      v3Identity = /^fingerprint ([0-9A-F]+)/m.exec(readFileSync(join(folder, 'keys/authority_certificate'), 'utf8'))?.[1]
    }
    writeFileSync(join(folder, 'torrc'), this.#ownLines({ ...spec, folder, address }).join('\n'))
    const output = execFileSync('tor', ['-f', join(folder, 'torrc'), '--list-fingerprint', '--DirAuthority', `x 127.0.0.1:1 ${'A'.repeat(40)}`, '--quiet'], { encoding: 'utf8' })
    const fingerprint = (/^\w+ ([0-9A-F ]{49})/m.exec(output)?.[1] ?? '').replace(/ /g, '')
    return { ...spec, folder, address, fingerprint, v3Identity, child: undefined }
  }

  #makeFamilyKey(family: string): void {
    execFileSync('tor', ['--keygen-family', join(this.folder, family), '--quiet'], { stdio: 'ignore' })
    const file = `${family}.secret_family_key`
    for (const member of this.members) if (member.family === family) copyFileSync(join(this.folder, file), join(member.folder, 'keys', file))
  }
}

/** A document from an authority's directory port; undefined unless it has it. */
export function fetchFrom(authority: Member, path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get({ host: authority.address, port: dirPort, path, timeout: 3000 }, (response) => {
      let text = ''
      response.setEncoding('latin1')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('error', () => resolve(undefined))
      response.on('end', () => resolve(response.statusCode === 200 ? text : undefined))
    })
    request.on('error', () => resolve(undefined))
    request.on('timeout', () => request.destroy())
  })
}
