import { dbTime, nowMs } from "../pocketbase/clock"
import { firstIdOf } from "../pocketbase/db"
import { expireHolds, pruneHolds } from "../pocketbase/stores/holds"
import { pruneRefusals } from "../pocketbase/stores/refusals"

const DAY_MS = 86_400_000
/** Longer than the longest period and the grace for late usage: doctor compares closed holds with what was booked. */
const HOLDS_KEPT_DAYS = 100
const REFUSALS_KEPT_DAYS = 90

/** Marks holds that ran out (they stopped counting at that moment anyway) and lets the oldest closed ones go. */
export function sweepHolds(): { expired: number; pruned: number } {
  const now = nowMs()
  const expired = expireHolds($app, dbTime(now))
  const pruned =
    pruneHolds($app, firstIdOf(now - HOLDS_KEPT_DAYS * DAY_MS)) +
    pruneRefusals($app, firstIdOf(now - REFUSALS_KEPT_DAYS * DAY_MS))
  return { expired, pruned }
}
