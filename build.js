// Bundles each program into one file, so that a node loads one module and starts quickly.
import { build } from 'esbuild'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'

const programs = ['relish', 'relish-tor', 'relish-gencert']
  .map((name) => ({ in: `src/cli/${name}.ts`, out: name }))
  .filter((entry) => existsSync(entry.in))

// Another folder than dist, for builds beside one that is in use.
const outdir = process.argv[2] ?? 'dist'
await rm(outdir, { recursive: true, force: true })
if (programs.length > 0) {
  await build({
    entryPoints: programs,
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'linked',
    legalComments: 'none',
    banner: {
      // Some dependencies are CommonJS and ask for `require`.
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  })
}
