/** Puts a WebAssembly module's bytes in the place of `src/core/proto/relaycrypt/sha1-cells-bytes.ts`, which assembles them. */

import { build } from 'esbuild'

/** For esbuild. */
export const assembledWasm = {
  name: 'assembled WebAssembly',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]relaycrypt[\\/]sha1-cells-bytes\.ts$/ }, async ({ path }) => {
      const { outputFiles } = await build({ entryPoints: [path], bundle: true, format: 'esm', platform: 'node', write: false })
      const { sha1CellsBytes } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`)
      return { contents: `export const sha1CellsBytes = Buffer.from('${Buffer.from(sha1CellsBytes).toString('base64')}', 'base64')`, loader: 'js' }
    })
  },
}
