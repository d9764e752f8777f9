/**
 * A Runtime that another build made, for a node of this one. Most of it is plain values and calls; what is an object of a
 * class, and would be looked at by class, is made anew: errors and RSA keys.
 */

import { RelishError, type ErrorKind } from '../core/base/errors.ts'
import { RsaPrivateKey } from '../core/crypto/rsa.ts'
import type { ByteStream, DialHandlers, FileStore, ListenHandlers, Network, Runtime } from '../runtime/index.ts'

export function adoptRuntime(foreign: Runtime): Runtime {
  return {
    ...foreign,
    network: adoptNetwork(foreign.network),
    files: adoptFiles(foreign.files),
    generateRsaKey: (bits, onKey) => foreign.generateRsaKey(bits, (key) => onKey(RsaPrivateKey.fromPem(key.toPem()))),
  }
}

/** The same error as one of ours. Its kind is taken at its word; whatever has none is a bug. */
function adoptError(thrown: unknown): RelishError {
  if (thrown instanceof RelishError) return thrown
  const { kind, message, cause } = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as { readonly kind?: unknown; readonly message?: unknown; readonly cause?: unknown }
  return new RelishError(typeof kind === 'string' ? (kind as ErrorKind) : 'bug', typeof message === 'string' ? message : String(thrown), { cause: cause ?? thrown })
}

function adopting<T>(call: () => T): T {
  try {
    return call()
  } catch (thrown) {
    throw adoptError(thrown)
  }
}

function adoptNetwork(foreign: Network): Network {
  return {
    dial: (options, handlers) => foreign.dial(options, adoptDial(handlers)),
    dialSecure: (options, handlers) => foreign.dialSecure(options, adoptDial(handlers)),
    listen: (address, handlers) => foreign.listen(address, adoptListen(handlers)),
    listenSecure: (address, identity, handlers) => foreign.listenSecure(address, identity, adoptListen(handlers)),
    listenUnix: (path, handlers) => foreign.listenUnix(path, adoptListen(handlers)),
  }
}

function adoptDial<Stream extends ByteStream>(handlers: DialHandlers<Stream>): DialHandlers<Stream> {
  return { onConnect: (stream) => handlers.onConnect(adoptStream(stream)), onError: (error) => handlers.onError(adoptError(error)) }
}

function adoptListen<Stream extends ByteStream>(handlers: ListenHandlers<Stream>): ListenHandlers<Stream> {
  return {
    onListening: (address) => handlers.onListening(address),
    onConnection: (stream) => handlers.onConnection(adoptStream(stream)),
    onError: (error) => handlers.onError(adoptError(error)),
  }
}

/** The stream itself, but for what its handlers hear of errors. */
function adoptStream<Stream extends ByteStream>(stream: Stream): Stream {
  return new Proxy(stream, {
    get: (target, name) => {
      if (name === 'start') {
        return (handlers: Parameters<ByteStream['start']>[0]) =>
          target.start({
            onData: (chunk) => handlers.onData(chunk),
            onEnd: () => handlers.onEnd(),
            onDrain: () => handlers.onDrain(),
            onClose: (error) => handlers.onClose(error === undefined ? undefined : adoptError(error)),
          })
      }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (...args: unknown[]) => adopting(() => value.apply(target, args) as unknown) : value
    },
  })
}

function adoptFiles(foreign: FileStore): FileStore {
  return {
    read: (path) => adopting(() => foreign.read(path)),
    write: (path, content, mode) => adopting(() => foreign.write(path, content, mode)),
    append: (path, content) => adopting(() => foreign.append(path, content)),
    remove: (path) => adopting(() => foreign.remove(path)),
    list: (path) => adopting(() => foreign.list(path)),
    stat: (path) => adopting(() => foreign.stat(path)),
  }
}
