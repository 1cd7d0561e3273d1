import { transaction } from "../../pocketbase/db"
import { answer } from "../../pocketbase/respond"

/** GET /api/ready: 200 only if the database can be written, which /api/health does not know. */
export function getReady(e: core.RequestEvent): void {
  answer(e, () => {
    transaction((tx) => tx.db().newQuery("UPDATE platform_settings SET name = name WHERE name = 'pricing'").execute())
    return { ready: true }
  })
}
