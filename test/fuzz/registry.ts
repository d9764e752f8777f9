/** All fuzzers. Smoke mode runs each of them for a moment in `npm test`; `node test/fuzz/long.js` runs them for as long as asked. */

import { cellFuzzers } from './cell-fuzzers.ts'
import type { Fuzzer } from './fuzzer.ts'

export const fuzzers: readonly Fuzzer[] = [...cellFuzzers]
