/** All fuzzers. Smoke mode runs each of them for a moment in `npm test`; `node test/fuzz/long.js` runs them for as long as asked. */

import { applicationFuzzers } from './application-fuzzers.ts'
import { cellFuzzers } from './cell-fuzzers.ts'
import { documentFuzzers } from './document-fuzzers.ts'
import { fileFuzzers } from './file-fuzzers.ts'
import type { Fuzzer } from './fuzzer.ts'
import { machineFuzzers } from './machine-fuzzers.ts'

export const fuzzers: readonly Fuzzer[] = [...cellFuzzers, ...documentFuzzers, ...fileFuzzers, ...applicationFuzzers, ...machineFuzzers]
