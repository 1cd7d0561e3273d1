import { TOKEN_TTL_MS } from "../../contract/oauth"
import { dbTime, fromDbTime } from "../clock"
import { type Db, execute, newId, selectJson } from "../db"

export interface ChatToken {
  userId: string
  scope: string
  expiresAtMs: number
  revoked: boolean
}

export function insertToken(
  tx: Db,
  token: { hash: string; codeId: string; tenantId: string; userId: string; scope: string },
  nowMs: number,
): void {
  execute(
    tx,
    `INSERT INTO oauth_tokens (id, token_hash, code_id, tenant_id, user_id, scope, expires_at, revoked_at, created)
     VALUES ({:id}, {:hash}, {:codeId}, {:tenantId}, {:userId}, {:scope}, {:expiresAt}, '', {:now})`,
    { id: newId(nowMs), ...token, expiresAt: dbTime(nowMs + TOKEN_TTL_MS), now: dbTime(nowMs) },
  )
}

export const FIND_TOKEN = `SELECT json_group_array(json_object('userId', user_id, 'scope', scope, 'expiresAt', expires_at,
  'revoked', json(CASE revoked_at WHEN '' THEN 'false' ELSE 'true' END))) AS j
  FROM oauth_tokens WHERE token_hash = {:hash} AND tenant_id = {:tenantId}`

export function findToken(db: Db, tenantId: string, hash: string): ChatToken | null {
  const row = selectJson<(Omit<ChatToken, "expiresAtMs"> & { expiresAt: string })[]>(db, FIND_TOKEN, { tenantId, hash })[0]
  if (!row) return null
  const { expiresAt, ...token } = row
  return { ...token, expiresAtMs: fromDbTime(expiresAt) }
}

/** Takes back what a code has bought: it was presented twice, so one of the two who had it was not meant to. */
export function revokeTokensOfCode(tx: Db, codeId: string, now: string): number {
  return execute(tx, "UPDATE oauth_tokens SET revoked_at = {:now} WHERE code_id = {:codeId} AND revoked_at = ''", { codeId, now })
}

export function deleteTokensBefore(tx: Db, time: string): number {
  return execute(tx, "DELETE FROM oauth_tokens WHERE expires_at < {:time}", { time })
}
