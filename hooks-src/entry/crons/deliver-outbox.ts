import { info } from "../../pocketbase/log"
import { deliverOutbox } from "../../usecases/deliver-outbox"
import { sweepChatSignIn } from "../../usecases/sweep-chat-sign-in"

/** Every minute: whatever waits for the outside. */
export function runOutbox(): void {
  const run = deliverOutbox()
  if (run.delivered + run.failed > 0) info("outbox delivered", run)
}

/** Every hour: codes and tokens that ran out, messages that were delivered long ago. */
export function sweepSignIn(): void {
  const swept = sweepChatSignIn()
  if (swept.codes + swept.tokens + swept.messages > 0) info("sign-in and outbox swept", swept)
}
