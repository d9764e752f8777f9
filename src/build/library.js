/**
 * Makes the library in `FOLDER/library`: ES modules that hand out what `FOLDER/library.js` has, which is bundled, and loaded with V8's
 * compiled code, as the programs are (`build.js`); and in `FOLDER/types` the declarations of what they export.
 */

import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Modules beside the package's own. */
const fixtures = ['vitest', 'node-test']
const entries = ['index', ...fixtures]

export async function buildLibrary(folder) {
  await Promise.all([makeModules(join(folder, 'library')), writeTypes(join(folder, 'types'))])
}

async function makeModules(folder) {
  mkdirSync(folder, { recursive: true })
  writeModulePackage(folder)
  const names = Object.keys(createRequire(import.meta.url)(join(folder, '../library.js')))
  writeFileSync(
    join(folder, 'index.js'),
    `import { createRequire } from 'node:module'\n\nexport const { ${names.join(', ')} } = createRequire(import.meta.url)('../library.js')\n`,
  )
  await build({
    entryPoints: fixtures.map((name) => ({ in: join(root, `src/library/${name}.ts`), out: name })),
    outdir: folder,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'linked',
    legalComments: 'none',
    external: ['vitest'],
    plugins: [fromIndex],
  })
}

/** The fixtures have nothing of their own beside what the package exports: so there is one of each class. */
const fromIndex = {
  name: 'from index',
  setup(building) {
    building.onResolve({ filter: /^\./ }, () => ({ path: './index.js', external: true }))
  },
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
