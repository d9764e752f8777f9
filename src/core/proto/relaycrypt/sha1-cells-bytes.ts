/** The module of `sha1-cells.ts`. The build writes its bytes in the place of this file (`src/build/wasm.js`): assembling it takes milliseconds. */

import { sha1CellsModule } from './sha1-cells.ts'

export const sha1CellsBytes: Uint8Array = sha1CellsModule()
