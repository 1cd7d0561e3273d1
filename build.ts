// hooks-src/ → pb_hooks/: app.ts is bundled (one CommonJS file that trampolines require), main.pb.ts is transformed only,
// because PocketBase turns every handler into a string and compiles it again: a bundler's helpers would not exist there.
import { createHash } from "node:crypto"
import { readdir, readFile, rename, writeFile } from "node:fs/promises"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { type BuildOptions, type BuildResult, build, context, type Plugin } from "esbuild"

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

/** What a bundle of a tenant's stack is made of; .env.example and config.yaml are filled in or rendered, the rest goes in as it is. */
async function tenantTemplate(): Promise<Record<string, string>> {
  const folder = path.join(root, "tenant-template")
  const gate = (await readdir(path.join(folder, "litellm/cf_gate"), { recursive: true })).filter((name) => name.endsWith(".py"))
  const names = ["docker-compose.yml", ".env.example", "README.md", ...gate.sort().map((name) => `litellm/cf_gate/${name}`)]
  const texts = await Promise.all(names.map((name) => readFile(path.join(folder, name), "utf8")))
  return Object.fromEntries(names.map((name, i) => [name, texts[i] as string]))
}

const embedTemplate: Plugin = {
  name: "tenant-template",
  setup(b) {
    b.onResolve({ filter: /^virtual:tenant-template$/ }, ({ path: name }) => ({ path: name, namespace: "embedded" }))
    b.onLoad({ filter: /.*/, namespace: "embedded" }, async () => ({
      contents: JSON.stringify(await tenantTemplate()),
      loader: "json",
    }))
  },
}

/** Loaded by its one route only: what every virtual machine reads must stay small. */
const tenantBundle: BuildOptions = {
  ...app,
  entryPoints: [path.join(root, "hooks-src/entry/routes/post-tenant-bundle.ts")],
  plugins: [embedTemplate],
}

/**
 * The sign-in page of every tenant's chat as one text, with its script and style inside and the hashes that its policy names:
 * the server sends it for one route only, and a browser loads nothing else.
 */
async function signInPage(): Promise<string> {
  const folder = path.join(root, "portals/sign-in")
  const browser: BuildOptions = { bundle: true, minify: true, charset: "utf8", legalComments: "none", write: false }
  const [html, script, style] = await Promise.all([
    readFile(path.join(folder, "index.html"), "utf8"),
    build({ ...browser, entryPoints: [path.join(folder, "sign-in.ts")], format: "iife", target: "es2022" }).then(onlyText),
    build({ ...browser, entryPoints: [path.join(folder, "style.css")] }).then(onlyText),
  ])
  if (/<\/(script|style)/i.test(script + style)) throw new Error("the sign-in page's script or style would end its own element")
  const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`
  const page = html.replace("/* script */", () => script).replace("/* style */", () => style)
  return `module.exports = ${JSON.stringify({ html: page, scriptHash: hash(script), styleHash: hash(style) })}\n`
}

function onlyText(result: BuildResult): string {
  return result.outputFiles?.[0]?.text ?? ""
}

/** Written beside and renamed: a server that starts meanwhile never reads half a file. */
async function place(name: string, text: string): Promise<void> {
  const staged = path.join(out, `${name}.${process.pid}.new`)
  await writeFile(staged, text)
  await rename(staged, path.join(out, name))
}

async function buildHooks(): Promise<void> {
  const [bundle, trampolines, stack, page] = await Promise.all([build(app), build(main), build(tenantBundle), signInPage()])
  await place("app.js", bundle.outputFiles?.[0]?.text ?? "")
  await place("tenant-bundle.js", stack.outputFiles?.[0]?.text ?? "")
  await place("sign-in-page.js", page)
  await place("main.pb.js", trampolines.outputFiles?.[0]?.text ?? "")
}

if (process.argv.includes("--watch")) {
  const rebuild = { name: "rebuild", setup: (b: { onEnd: (f: () => Promise<void>) => void }) => b.onEnd(buildHooks) }
  const watcher = await context({ ...app, plugins: [rebuild as never] })
  await watcher.watch()
} else {
  await buildHooks()
}
