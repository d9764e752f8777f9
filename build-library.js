/**
 * Makes the library in `FOLDER/library`: what `import 'tor-relish'` loads, as ES modules with what is needed only sometimes
 * in files of its own, and in `FOLDER/types` the declarations of what it exports.
 */

import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { compiledValidators } from './build-validators.js'

const root = fileURLToPath(new URL('.', import.meta.url))
const entries = ['index', 'vitest', 'node-test']

export async function buildLibrary(folder) {
  await Promise.all([bundleModules(join(folder, 'library')), writeTypes(join(folder, 'types'))])
}

async function bundleModules(folder) {
  await build({
    entryPoints: entries.map((name) => ({ in: join(root, `src/library/${name}.ts`), out: name })),
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'linked',
    legalComments: 'none',
    // Dependencies that not every program needs stay packages, as does the test runner of whoever uses the library.
    external: ['undici', 'vitest', 'zx'],
    plugins: [compiledValidators],
    // Bundled CommonJS packages ask for modules of Node.js in this way.
    banner: { js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);' },
  })
  writeModulePackage(folder)
}

/** Declarations as the compiler makes them, of those files that the library's own refer to. Whether the types are right is for `npm test`. */
export async function writeTypes(folder) {
  const temporary = mkdtempSync(join(tmpdir(), 'relish-types-'))
  try {
    const config = join(temporary, 'tsconfig.json')
    writeFileSync(
      config,
      JSON.stringify({
        extends: join(root, 'tsconfig.json'),
        compilerOptions: { noEmit: false, emitDeclarationOnly: true, declaration: true, noCheck: true, outDir: temporary, rootDir: root, typeRoots: [join(root, 'node_modules/@types')] },
        include: [],
        files: entries.map((name) => join(root, `src/library/${name}.ts`)),
      }),
    )
    await promisify(execFile)(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', config])
    rmSync(folder, { recursive: true, force: true })
    const wanted = entries.map((name) => `library/${name}.d.ts`)
    for (const path of wanted) {
      const text = readFileSync(join(temporary, 'src', path), 'utf8')
      const specifiers = [...text.matchAll(/(?:from |import\()['"](\.[^'"]*)\.ts['"]/g)].map((match) => `${join(dirname(path), match[1])}.d.ts`)
      for (const target of specifiers) if (!wanted.includes(target)) wanted.push(target)
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text.replaceAll(/((?:from |import\()['"]\.[^'"]*)\.ts(['"])/g, '$1.js$2'))
    }
    writeModulePackage(folder)
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

/** The folder above holds CommonJS programs. */
const writeModulePackage = (folder) => writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
