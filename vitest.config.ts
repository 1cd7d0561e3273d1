import { defineConfig } from "vitest/config"

/** Units need nothing; platform tests boot real PocketBases; litellm tests also the real proxy. */
export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["hooks-src/**/*.test.ts", "scripts/**/*.test.ts"], testTimeout: 60_000 } },
      {
        test: {
          name: "platform",
          include: ["tests/{http,jobs,jsvm,migrations,security,faults}/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: true,
          maxWorkers: 2,
        },
      },
      { test: { name: "litellm", include: ["tests/litellm/**/*.test.ts"], testTimeout: 300_000, hookTimeout: 900_000 } },
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
