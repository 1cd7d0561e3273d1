// Runs PocketBase with our flags, for npm start and npm run dev.
import { spawn } from "node:child_process"
import { createServer } from "node:net"
import path from "node:path"
import { root } from "./project.mjs"

/**
 * Starts the server and resolves once it is healthy. A server that cannot start is an error with what it said.
 * @returns {Promise<import("node:child_process").ChildProcess>}
 */
export async function startServer(binary, { dataDir, port, env }) {
  const args = [
    ...["serve", "--http", `127.0.0.1:${port}`, "--dir", dataDir, "--hooksDir", path.join(root, "pb_hooks")],
    ...["--migrationsDir", path.join(root, "pb_migrations"), "--publicDir", path.join(root, "pb_public")],
    ...["--dev=false", "--hooksWatch=false", "--automigrate=false", "--indexFallback=false", "--hooksPool=100"],
  ]
  const child = spawn(binary, args, { env, stdio: ["ignore", "pipe", "pipe"] })
  let said = ""
  let healthy = false
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      if (healthy) process.stderr.write(chunk)
      else said += chunk
    })
  }
  while (!healthy) {
    if (child.exitCode !== null) throw new Error(`PocketBase did not start (exit ${child.exitCode}):\n${said.trim()}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
    healthy = await fetch(`http://127.0.0.1:${port}/api/health`).then(
      (response) => response.ok,
      () => false,
    )
  }
  return child
}

export async function stopServer(child) {
  const closed = new Promise((resolve) => child.once("close", resolve))
  child.kill("SIGTERM")
  await closed
}

/** Asked first: PocketBase would start its migrations before it finds the port taken. */
export function refuseTakenPort(port) {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once("error", (error) =>
      reject(
        new Error(error.code === "EADDRINUSE" ? `port ${port} is in use: stop what listens there or give --port` : error.message),
      ),
    )
    probe.listen(port, "127.0.0.1", () => probe.close(resolve))
  })
}

export function freePort() {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}
