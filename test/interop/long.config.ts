/** Longer runs against C tor than continuous integration has time for: `npx vitest run --config test/interop/long.config.ts`. */

import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/interop/**/*.long.ts'],
    fileParallelism: false,
    testTimeout: 900_000,
    hookTimeout: 180_000,
  },
})
