// Commands that the set-up scripts start: their progress goes to stderr, because stdout is for the answer.
import { spawn } from "node:child_process"

/**
 * Runs a command whose output is progress: all of it goes to stderr.
 * @param {string} command @param {string[]} args @param {string} complaint what the error says
 */
export function run(command, args, complaint) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", 2, 2] })
    child.on("error", reject)
    child.on("close", (code) => (code === 0 ? resolve(undefined) : reject(new Error(`${complaint} (see above)`))))
  })
}

/**
 * Runs a command for its answer. A command that is not there is an answer too: code 127.
 * @param {string} command @param {string[]} args
 * @returns {Promise<{ code: number | null, output: string }>}
 */
export function capture(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "ignore"] })
    let output = ""
    child.stdout.on("data", (chunk) => {
      output += chunk
    })
    child.on("error", () => resolve({ code: 127, output }))
    child.on("close", (code) => resolve({ code, output }))
  })
}
