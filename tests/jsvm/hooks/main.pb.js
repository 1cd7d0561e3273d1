/// <reference path="../../../.cache/pocketbase-0.40.4/types.d.ts" />
// Hooks for tests/jsvm only: no onBootstrap of ours, so there is no superuser and no configuration; just a bare host.

/** Runs the body's `code` as a function of (e, tx-less host) and answers {value} or {error}. */
routerAdd("POST", "/eval", (e) => {
  const { code, args } = e.requestInfo().body
  let answer
  try {
    answer = { value: new Function("e", "args", code)(e, args) }
  } catch (error) {
    answer = { error: String(error) }
  }
  return e.string(200, JSON.stringify(answer === undefined ? null : answer))
})

/** Nothing is caught here: what does the host answer by itself? */
routerAdd("POST", "/throw", () => {
  throw new Error("a plain error")
})
routerAdd("POST", "/forget", () => undefined)
routerAdd("POST", "/async", async () => {
  throw new Error("inside a promise")
})

routerAdd("POST", "/module", (e) => {
  const state = require(`${__hooks}/state.js`)
  state.calls += 1
  sleep(e.requestInfo().body.ms)
  return e.string(200, String(state.calls))
})
