import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Longer suites have scripts of their own in package.json.
    exclude: ['test/interop/**', 'test/fuzz/long/**', 'test/faults/**', 'test/browser/**', 'test/violations/violations.test.ts', 'node_modules/**'],
    // No module keeps state of its own, so files can share the modules they import: two thirds of the processor time.
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
