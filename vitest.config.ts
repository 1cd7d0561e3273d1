import { defineConfig } from "vitest/config"

/** Units need nothing; platform tests boot real PocketBases; e2e tests also a real Chromium, litellm tests the real proxy. */
export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["hooks-src/**/*.test.ts", "scripts/**/*.test.ts"], testTimeout: 60_000 } },
      {
        test: {
          name: "platform",
          include: ["tests/{http,jobs,jsvm,migrations,security,faults,template}/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: true,
          maxWorkers: 2,
        },
      },
      {
        test: { name: "e2e", include: ["tests/e2e/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 180_000, maxWorkers: 1 },
      },
      {
        test: {
          name: "litellm",
          include: ["tests/litellm/**/*.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 900_000,
          maxWorkers: 1,
        },
      },
      // Several hundred MB to install: `npm run test:openwebui`, never part of `npm test`.
      { test: { name: "openwebui", include: ["tests/openwebui/**/*.test.ts"], testTimeout: 300_000, hookTimeout: 1_800_000 } },
    ],
    coverage: {
      provider: "v8",
      include: ["hooks-src/domain/*.ts"],
      exclude: ["**/*.test.ts"],
      reporter: ["text-summary", "text"],
      thresholds: { statements: 95 },
    },
  },
})
