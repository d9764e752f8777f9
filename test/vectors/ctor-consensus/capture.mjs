// Runs a small network of C tor authorities and relays on loopback and keeps, for every period, the votes of all
// authorities and the consensuses of both flavours. See README.md.
//
//     node capture.mjs OUT_FOLDER SECONDS [VARIANT]
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const [out, seconds, variant = 'plain'] = process.argv.slice(2)
const variants = {
  plain: { authorities: 3, relays: 4, extra: () => [] },
  // Authorities that differ in parameters, versions, bandwidth files, and what they think of relays.
  differing: {
    authorities: 4,
    relays: 5,
    extra: (i) => [
      `ConsensusParams circwindow=${100 * (i + 5)} bwweightscale=10000 UseOptimisticData=1${i < 3 ? ' refuseunknownexits=1' : ''}${i === 0 ? ' only-one=3' : ''}${i < 2 ? ' two=2' : ''} neg=-${i}`,
      'VersioningAuthoritativeDirectory 1',
      `RecommendedClientVersions 0.4.8.10,0.4.9.11${i < 2 ? ',0.4.9.1-alpha' : ''}`,
      `RecommendedServerVersions 0.4.9.11${i === 3 ? ',0.4.9.10' : ',0.4.8.14,0.4.9.1-alpha'}`,
      ...(i < 3 ? ['AuthDirListBadExits 1'] : []),
      ...(i > 0 ? ['AuthDirListMiddleOnly 1'] : []),
      ...(i < 3 ? [`V3BandwidthsFile ${'@DIR@'}/bw${i}`] : []),
    ],
  },
}
const plan = variants[variant]
const base = mkdtempSync(join(tmpdir(), 'ctor-consensus-'))
mkdirSync(out, { recursive: true })
const port = (kind) => 40000 + Math.floor(Math.random() * 8) * 1000 + (kind === 'or' ? 1 : 2)
const orPort = port('or')
const dirPort = port('dir')
const nodes = []
const children = []

function make(index, authority) {
  const name = `${authority ? 'auth' : 'relay'}${index}`
  const dir = join(base, name)
  mkdirSync(join(dir, 'keys'), { recursive: true, mode: 0o700 })
  execFileSync('chmod', ['700', dir])
  const address = `127.${(authority ? 30 : 60) + index}.7.1`
  const node = { name, dir, address, authority, index }
  if (authority) {
    execFileSync('tor-gencert', ['--create-identity-key', '-m', '12', '-a', `${address}:${dirPort}`, '--passphrase-fd', '0'], { cwd: join(dir, 'keys'), input: 'password\n', stdio: ['pipe', 'ignore', 'ignore'] })
    node.v3 = /fingerprint ([0-9A-F]+)/.exec(readFileSync(join(dir, 'keys/authority_certificate'), 'utf8'))[1]
  }
  writeFileSync(join(dir, 'torrc'), common(node))
  const fp = execFileSync('tor', ['-f', join(dir, 'torrc'), '--list-fingerprint', '--DirAuthority', 'x 127.0.0.1:1 ' + 'A'.repeat(40), '--quiet'], { encoding: 'utf8' })
  node.fingerprint = /^\w+ ([0-9A-F ]+)/m.exec(fp)[1].replace(/ /g, '')
  nodes.push(node)
}

function common(node) {
  return [
    'TestingTorNetwork 1', `DataDirectory ${node.dir}`, `Nickname ${node.name}`, `Address ${node.address}`, `OutboundBindAddress ${node.address}`,
    `ORPort ${node.address}:${orPort}`, 'SocksPort 0', 'ContactInfo x@example.com', `Log notice file ${node.dir}/log`, 'PathsNeededToBuildCircuits 0.25',
    'TestingDirAuthVoteExit *', 'TestingDirAuthVoteGuard *', 'TestingDirAuthVoteHSDir *', 'AssumeReachable 1', 'ExtORPort 0', 'RunAsDaemon 0',
    'DirPort ' + (node.authority ? `${node.address}:${dirPort}` : '0'),
    ...(node.authority
      ? ['AuthoritativeDirectory 1', 'V3AuthoritativeDirectory 1', 'TestingV3AuthInitialVotingInterval 20', 'TestingV3AuthInitialVoteDelay 4', 'TestingV3AuthInitialDistDelay 4',
         'V3AuthVotingInterval 20', 'V3AuthVoteDelay 4', 'V3AuthDistDelay 4', 'TestingMinExitFlagThreshold 0', 'AuthDirHasIPv6Connectivity 0']
      : ['ExitRelay ' + (node.index % 2), 'ExitPolicy ' + (node.index % 2 ? (node.index === 1 ? 'accept *:80,accept *:443,reject *:*' : 'accept 127.0.0.0/8:*,accept *:1-1000,reject *:*') : 'reject *:*'), 'ExitPolicyRejectPrivate 0']),
    '',
  ].join('\n')
}

for (let i = 0; i < plan.authorities; i++) make(i, true)
for (let i = 0; i < plan.relays; i++) make(i, false)
const dirLines = nodes.filter((n) => n.authority).map((n) => `DirAuthority ${n.name} orport=${orPort} no-v2 v3ident=${n.v3} ${n.address}:${dirPort} ${n.fingerprint}`)
const relays = nodes.filter((n) => !n.authority)
const family = variant === 'differing' ? relays.slice(0, 2) : []
for (const node of nodes) {
  const lines = [...dirLines]
  if (node.authority) lines.push(...plan.extra(node.index).map((line) => line.replace('@DIR@', node.dir)))
  if (family.includes(node)) {
    lines.push(`MyFamily ${family.map((n) => '$' + n.fingerprint).join(',')}`)
    if (node === family[0]) {
      execFileSync('tor', ['--keygen-family', join(base, 'fam'), '--quiet'])
    }
    execFileSync('cp', [join(base, 'fam.secret_family_key'), join(node.dir, 'keys')])
    lines.push('FamilyId *')
  }
  if (node.authority && variant === 'differing') {
    const bw = [`${Math.floor(Date.now() / 1000)}`, 'version=1.4.0', 'software=test', '=====']
    nodes.forEach((n, i) => {
      if (i % 4 !== 3 || node.index === 0) bw.push(`node_id=$${n.fingerprint} bw=${(i + 1) * 13 + node.index * (i % 3)} nick=${n.name}`)
    })
    writeFileSync(join(node.dir, `bw${node.index}`), bw.join('\n') + '\n')
    const judged = []
    if (node.index < 3) judged.push(`!badexit ${relays[3].fingerprint}`)
    if (node.index > 0) judged.push(`!middleonly ${relays[4].fingerprint}`)
    writeFileSync(join(node.dir, 'approved-routers'), judged.join('\n') + '\n')
  }
  writeFileSync(join(node.dir, 'torrc'), common(node) + lines.join('\n') + '\n')
  children.push(spawn('tor', ['-f', join(node.dir, 'torrc'), '--quiet'], { stdio: 'ignore' }))
}

const fetchText = (address, path) =>
  new Promise((resolve) => {
    const request = get({ host: address, port: dirPort, path, timeout: 3000 }, (response) => {
      let text = ''
      response.setEncoding('latin1')
      response.on('data', (chunk) => (text += chunk))
      response.on('end', () => resolve(response.statusCode === 200 ? text : undefined))
    })
    request.on('error', () => resolve(undefined))
    request.on('timeout', () => request.destroy())
  })

const authorities = nodes.filter((n) => n.authority)
const stop = () => children.forEach((child) => child.kill('SIGKILL'))
process.on('SIGINT', () => { stop(); process.exit(1) })
const end = Date.now() + Number(seconds) * 1000
const seen = new Set()
while (Date.now() < end) {
  await new Promise((resolve) => setTimeout(resolve, 2500))
  const ns = await fetchText(authorities[0].address, '/tor/status-vote/current/consensus')
  const validAfter = ns && /valid-after (.*)/.exec(ns)?.[1]
  if (!validAfter || seen.has(validAfter)) continue
  const microdesc = await fetchText(authorities[0].address, '/tor/status-vote/current/consensus-microdesc')
  const votes = await Promise.all(authorities.map((a) => fetchText(authorities[0].address, `/tor/status-vote/current/${a.v3}`)))
  if (microdesc === undefined || votes.some((v) => v !== undefined && !v.includes(`valid-after ${validAfter}`))) continue
  seen.add(validAfter)
  const folder = join(out, validAfter.replace(/[ :]/g, '-'))
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'consensus'), ns, 'latin1')
  writeFileSync(join(folder, 'consensus-microdesc'), microdesc, 'latin1')
  votes.forEach((vote, i) => vote && writeFileSync(join(folder, `vote-${i}`), vote, 'latin1'))
  const descriptors = await fetchText(authorities[0].address, '/tor/server/all')
  if (descriptors) writeFileSync(join(folder, 'descriptors'), descriptors, 'latin1')
  const digests = [...microdesc.matchAll(/^m (\S+)/gm)].map((m) => m[1].replace(/=/g, ''))
  const microdescriptors = await fetchText(authorities[0].address, '/tor/micro/d/' + digests.join('-'))
  if (microdescriptors) writeFileSync(join(folder, 'microdescriptors'), microdescriptors, 'latin1')
  const detached = await fetchText(authorities[0].address, '/tor/status-vote/next/consensus-signatures')
  if (detached) writeFileSync(join(folder, 'detached-signatures'), detached, 'latin1')
  console.log(validAfter, votes.filter(Boolean).length, 'votes', (ns.match(/^r /gm) ?? []).length, 'relays')
}
stop()
console.log('data', base)
