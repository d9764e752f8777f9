/** Tests against C tor: `npx vitest run --config test/interop/vitest.config.ts`. They need `tor` on the PATH and fail without it. */

import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/interop/**/*.test.ts'],
    // Real processes on a real clock: one file at a time leaves them the machine.
    fileParallelism: false,
    // Of tests that say they can run beside others: on two cores, two networks.
    maxConcurrency: 2,
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
})
