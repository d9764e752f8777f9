/**
 * Text of a network file to a `NetworkFile`: YAML, then `${NAME:-default}` from the environment, then the JSON Schema.
 * Every complaint names line, column and the offending text. What a well-formed file means is `resolve-network.ts`;
 * whether that can work is `lint-network.ts`.
 */

import { LineCounter, isMap, isPair, isScalar, parseDocument, parse as parseYaml, visit, type Document, type Node } from 'yaml'
import schema from '../../networks/network.schema.json' with { type: 'json' }
import { suggestion } from '../core/base/nearest.ts'
import type { Diagnostic } from './diagnostic.ts'
import { networkFileBytesMax } from './limits.ts'
import type { NetworkFile } from './network-types.ts'
import { validatorOf, type ErrorObject } from './schema-validator.ts'

export type YamlPath = readonly (string | number)[]

/** Finds the place in the text of a value, or of a key, for complaints about it. */
export class SourceMap {
  readonly file: string
  readonly #lines: readonly string[]
  readonly #document: Document.Parsed
  readonly #counter: LineCounter

  constructor(file: string, text: string, document: Document.Parsed, counter: LineCounter) {
    this.file = file
    this.#lines = text.split(/\r?\n/)
    this.#document = document
    this.#counter = counter
  }

  /** A complaint about the value at `path`, or about the key itself when `at` is `key`. A missing place falls back to what encloses it. */
  complain(path: YamlPath, at: 'key' | 'value', severity: Diagnostic['severity'], message: string, notes: readonly string[] = []): Diagnostic {
    const range = this.#range(path, at)
    return this.at(range[0], range[1] - range[0], severity, message, notes)
  }

  at(offset: number, length: number, severity: Diagnostic['severity'], message: string, notes: readonly string[]): Diagnostic {
    const { line, col } = this.#counter.linePos(offset)
    const text = this.#lines[Math.max(line, 1) - 1] ?? ''
    return { severity, file: this.file, line: Math.max(line, 1), column: Math.max(col, 1), length: Math.max(1, length), text, message, notes }
  }

  #range(path: YamlPath, at: 'key' | 'value'): readonly [number, number] {
    if (at === 'key' && path.length > 0) {
      const map = path.length === 1 ? this.#document.contents : this.#document.getIn(path.slice(0, -1), true)
      if (isMap(map)) {
        for (const pair of map.items) {
          if (isPair(pair) && isScalar(pair.key) && String(pair.key.value) === String(path.at(-1)) && pair.key.range) return [pair.key.range[0], pair.key.range[1]]
        }
      }
    }
    for (let depth = path.length; depth > 0; depth--) {
      const node = this.#document.getIn(path.slice(0, depth), true) as Node | undefined
      if (node?.range) {
        // A block that goes over several lines is pointed at by its first character only.
        return isScalar(node) ? [node.range[0], node.range[1]] : [node.range[0], node.range[0] + 1]
      }
    }
    return [0, 1]
  }
}

export interface ParsedFile<File> {
  /** Undefined when there are errors. */
  readonly file: File | undefined
  readonly source: SourceMap
  readonly diagnostics: readonly Diagnostic[]
}

type Environment = { readonly [name: string]: string | undefined }

/** `name` is what complaints call the file. `environment` fills in `${NAME}` and `${NAME:-default}`. */
export const parseNetworkFile = (text: string, name: string, environment: Environment): ParsedFile<NetworkFile> => parseSchemaFile<NetworkFile>(schema, text, name, environment)

/** Any YAML file that a schema describes; `File` is what the schema accepts. */
export function parseSchemaFile<File>(fileSchema: { readonly title: string }, text: string, name: string, environment: Environment): ParsedFile<File> {
  const counter = new LineCounter()
  const bounded = text.length <= networkFileBytesMax ? text : ''
  const document = parseDocument(bounded, { lineCounter: counter, prettyErrors: false, merge: true, uniqueKeys: true })
  const source = new SourceMap(name, bounded, document, counter)
  if (bounded !== text) return { file: undefined, source, diagnostics: [source.at(0, 1, 'error', `the file is larger than ${networkFileBytesMax} bytes`, [])] }

  const diagnostics: Diagnostic[] = document.errors.map((error) =>
    source.at(error.pos[0], error.pos[1] - error.pos[0], 'error', `not valid YAML: ${firstLine(error.message)}`, []),
  )
  if (diagnostics.length > 0) return { file: undefined, source, diagnostics }

  diagnostics.push(...substitute(document, source, environment))
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    diagnostics.push(source.at(0, 1, 'error', `not valid YAML: ${error instanceof Error ? firstLine(error.message) : String(error)}`, []))
  }
  if (diagnostics.length > 0) return { file: undefined, source, diagnostics }

  const validate = validatorOf(fileSchema)
  if (!validate(value)) diagnostics.push(...schemaComplaints(validate.errors ?? [], source))
  return { file: diagnostics.length === 0 ? (value as File) : undefined, source, diagnostics }
}

const firstLine = (message: string): string => message.split('\n')[0] ?? message

const reference = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g

/** A value that is nothing but one reference takes the type its text has in YAML, so that a count from the environment is a number. */
function substitute(document: Document.Parsed, source: SourceMap, environment: { readonly [name: string]: string | undefined }): Diagnostic[] {
  const complaints: Diagnostic[] = []
  visit(document, {
    Scalar(key, node) {
      if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('${')) return
      const original = node.value
      const text = original.replace(reference, (whole, variable: string, fallback: string | undefined) => {
        const value = environment[variable]
        if (value !== undefined && value !== '') return value
        if (fallback !== undefined) return fallback
        const start = node.range?.[0] ?? 0
        complaints.push(source.at(start, (node.range?.[1] ?? start + 1) - start, 'error', `the environment has no ${variable}`, [`give a default: \${${variable}:-VALUE}`]))
        return whole
      })
      if (original.replace(reference, '') === '') {
        const typed: unknown = parseYaml(text)
        node.value = typeof typed === 'number' || typeof typed === 'boolean' ? typed : text
      } else {
        node.value = text
      }
    },
  })
  return complaints
}

/** ajv's errors in words. A value that fits no branch of a `oneOf` gives one complaint, not one for each branch. */
function schemaComplaints(errors: readonly ErrorObject[], source: SourceMap): Diagnostic[] {
  const branching = new Set(errors.filter((error) => error.keyword === 'oneOf').map((error) => error.instancePath))
  const complaints: Diagnostic[] = []
  for (const error of errors) {
    const path = pathOf(error.instancePath)
    if (error.keyword !== 'oneOf' && [...branching].some((place) => error.instancePath === place || (error.schemaPath.includes('/oneOf/') && error.instancePath.startsWith(`${place}/`)))) continue
    complaints.push(schemaComplaint(error, path, source))
  }
  return complaints
}

function pathOf(pointer: string): (string | number)[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part))
}

function schemaComplaint(error: ErrorObject, path: (string | number)[], source: SourceMap): Diagnostic {
  const params = error.params as Record<string, unknown>
  const parent = (error.parentSchema ?? {}) as { properties?: Record<string, unknown>; description?: string }
  const what = path.length === 0 ? 'the file' : `"${String(path.at(-1))}"`
  const notes = parent.description === undefined || error.keyword === 'additionalProperties' ? [] : [parent.description]
  const here = (message: string, more: readonly string[] = notes): Diagnostic => source.complain(path, 'value', 'error', message, more)
  switch (error.keyword) {
    case 'additionalProperties': {
      const name = String(params['additionalProperty'])
      const allowed = Object.keys(parent.properties ?? {})
      return source.complain([...path, name], 'key', 'error', `unknown setting "${name}"`, [`allowed here: ${allowed.join(', ')}`, ...suggestion(name, allowed)])
    }
    case 'required':
      return here(`"${String(params['missingProperty'])}" is missing`, [])
    case 'enum': {
      const allowed = (params['allowedValues'] as unknown[]).map(String)
      return here(`${JSON.stringify(error.data)} is not a ${String(path.at(-1))}`, [`allowed: ${allowed.join(', ')}`, ...suggestion(String(error.data), allowed)])
    }
    case 'type':
      return here(`${what} must be ${article(params['type'])}, not ${describe(error.data)}`)
    case 'oneOf':
      return here(`${what} cannot be ${describe(error.data)}`)
    case 'pattern':
      return here(`${JSON.stringify(error.data)} is not possible here; it must match ${String(params['pattern'])}`)
    case 'propertyNames':
      return source.complain([...path, String(params['propertyName'])], 'key', 'error', `"${String(params['propertyName'])}" is not a possible name`, notes)
    default:
      return here(`${what} ${error.message ?? 'is not valid'}`)
  }
}

const article = (type: unknown): string => {
  const names = Array.isArray(type) ? type.map(String) : [String(type)]
  return names.map((name) => (/^[aio]/.test(name) ? `an ${name}` : `a ${name}`)).join(' or ')
}

function describe(data: unknown): string {
  if (data === null) return 'empty'
  if (Array.isArray(data)) return 'a list'
  if (typeof data === 'object') return 'a mapping'
  return `the ${typeof data} ${JSON.stringify(data)}`
}
