// hooks-src/ → pb_hooks/: app.ts is bundled (one CommonJS file that trampolines require), main.pb.ts is transformed only,
// because PocketBase turns every handler into a string and compiles it again: a bundler's helpers would not exist there.
import { rename, writeFile } from "node:fs/promises"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { type BuildOptions, build, context } from "esbuild"

const root = path.dirname(fileURLToPath(import.meta.url))
const out = path.join(root, "pb_hooks")

/** goja understands ES2020 syntax incl. BigInt; nothing of Node exists there (platform neutral). */
const app: BuildOptions = {
  entryPoints: [path.join(root, "hooks-src/entry/app.ts")],
  bundle: true,
  format: "cjs",
  platform: "neutral",
  target: "es2020",
  mainFields: ["module", "main"],
  charset: "utf8",
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "none",
  write: false,
}

const main: BuildOptions = {
  entryPoints: [path.join(root, "hooks-src/entry/main.pb.ts")],
  bundle: false,
  format: "esm",
  target: "es2020",
  charset: "utf8",
  write: false,
}

/** Written beside and renamed: a server that starts meanwhile never reads half a file. */
async function place(name: string, text: string): Promise<void> {
  const staged = path.join(out, `${name}.${process.pid}.new`)
  await writeFile(staged, text)
  await rename(staged, path.join(out, name))
}

async function buildHooks(): Promise<void> {
  const [bundle, trampolines] = await Promise.all([build(app), build(main)])
  await place("app.js", bundle.outputFiles?.[0]?.text ?? "")
  await place("main.pb.js", trampolines.outputFiles?.[0]?.text ?? "")
}

if (process.argv.includes("--watch")) {
  const rebuild = { name: "rebuild", setup: (b: { onEnd: (f: () => Promise<void>) => void }) => b.onEnd(buildHooks) }
  const watcher = await context({ ...app, plugins: [rebuild as never] })
  await watcher.watch()
} else {
  await buildHooks()
}
