// A node that is none: it speaks the events protocol on descriptor 3 as `relish-tor` does, so that the runner's side can
// be tested without Tor. Words in its ContactInfo make it misbehave:
//   stuck-at=STAGE     stays at that stage, with a warning
//   die-at=STAGE       exits with status 7 at that stage
//   ignore-term=1      does not end on SIGTERM
//   warn=WORDS         warns, once it is ready; error=WORDS logs an error
//   shout=WORDS        prints on its standard error
//   leave-process=1    starts a process that outlives it
// Its SOCKS port connects straight to the target.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createConnection, createServer, Socket } from 'node:net'

const args = process.argv.slice(2)
const valueOf = (name) => args[args.indexOf(name) + 1]
const torrc = readFileSync(valueOf('-f'), 'utf8')
const option = (name) => new RegExp(`^${name} (.*)$`, 'm').exec(torrc)?.[1]
const quirk = (name) => new RegExp(`^ContactInfo .*${name}=(\\w+)`, 'm').exec(torrc)?.[1]
const listenFds = args.flatMap((arg, i) => (/^[-+]+TestingListenFd$/.test(arg) ? [args[i + 1]] : []))

const pipe = new Socket({ fd: Number(valueOf('--TestingEventsFd')), readable: true, writable: true })
const emit = (event) => pipe.write(JSON.stringify(event) + '\n')

function serveSocks(socket) {
  let buffer = Buffer.alloc(0)
  let step = 'methods'
  const onData = (chunk) => {
    buffer = Buffer.concat([buffer, chunk])
    if (step === 'methods' && buffer.length >= 2 + (buffer[1] ?? 0)) {
      buffer = buffer.subarray(2 + buffer[1])
      socket.write(Buffer.from([5, 0]))
      step = 'request'
    }
    if (step !== 'request' || buffer.length < 10) return
    const port = buffer.readUInt16BE(8)
    const target = createConnection({ host: [...buffer.subarray(4, 8)].join('.'), port, localAddress: socket.localAddress })
    socket.off('data', onData)
    target.on('error', () => socket.destroy())
    target.on('connect', () => {
      socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
      socket.pipe(target).pipe(socket)
    })
  }
  socket.on('data', onData)
  socket.on('error', () => undefined)
}

for (const [index, value] of listenFds.entries()) {
  const [address, fd] = value.split('=')
  const [host, port] = address.split(/:(?=\d+$)/)
  const listener = option('SocksPort') === address ? 'socks' : option('DirPort') === address ? 'dir' : 'or'
  createServer((socket) => (listener === 'socks' ? serveSocks(socket) : socket.destroy())).listen({ fd: Number(fd) }, () => {
    emit({ kind: 'listening', listener, address: { host, port: Number(port) } })
    if (index === listenFds.length - 1) advance(0)
  })
}

const isClient = option('ClientOnly') === '1'
const stages = isClient ? ['consensus', 'directory', 'circuit', 'ready'] : ['published', 'consensus', 'listed', 'ready']
let stage = 'listening'
function advance(at) {
  stage = stages[at]
  if (quirk('die-at') === stage) {
    process.stderr.write('the fake node was told to die\n')
    process.exit(7)
  }
  emit({ kind: 'stage', stage, ...(stage === 'ready' ? {} : { waitingFor: `what comes after ${stage}` }) })
  if (quirk('stuck-at') === stage) {
    emit({ kind: 'warning', level: 'warn', message: 'the fake node was told to stay here' })
    return
  }
  if (quirk('warn') !== undefined && stage === 'circuit') emit({ kind: 'warning', level: 'warn', message: quirk('warn') })
  if (quirk('error') !== undefined && stage === 'circuit') emit({ kind: 'warning', level: 'error', message: quirk('error') })
  if (quirk('shout') !== undefined && stage === 'circuit') process.stderr.write(`${quirk('shout')}\n`)
  if (quirk('leave-process') === '1' && stage === 'circuit') spawn('sleep', ['60'], { stdio: 'ignore' }).unref()
  if (at + 1 < stages.length) setImmediate(() => advance(at + 1))
}

let text = ''
pipe.setEncoding('utf8')
pipe.on('data', (chunk) => {
  text += chunk
  const lines = text.split('\n')
  text = lines.pop() ?? ''
  for (const line of lines) {
    const { id, command, name } = JSON.parse(line)
    if (command === 'inspect') emit({ kind: 'reply', id, ok: true, result: { nickname: option('Nickname'), stage, circuits: [], consensus: [] } })
    else if (command === 'vote' || command === 'signal') emit({ kind: 'reply', id, ok: true, result: null })
    else emit({ kind: 'reply', id, ok: false, error: `a fake node has no ${name ?? command}` })
  }
})
pipe.on('end', () => process.exit(0))
pipe.on('error', () => process.exit(0))
process.on('SIGTERM', () => {
  if (quirk('ignore-term') !== '1') process.exit(0)
})
emit({ kind: 'stage', stage: 'starting' })
