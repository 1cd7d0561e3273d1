import { refuse } from "./respond"

export interface FileAnswer {
  name: string
  type: string
  bytes: Uint8Array
}

/** Like `answer`, for a file to download. It is nobody else's: no cache may keep it. */
export function answerFile(e: core.RequestEvent, work: () => FileAnswer): void {
  let file: FileAnswer
  try {
    file = work()
  } catch (thrown) {
    refuse(e, thrown)
    return
  }
  e.response.header().set("Cache-Control", "no-store")
  e.response.header().set("Content-Disposition", `attachment; filename="${file.name}"`)
  // The host turns a buffer into its bytes; a list of numbers, as its types have it, would be converted one by one.
  e.blob(200, file.type, file.bytes.buffer as unknown as number[])
}
