import { CODE_TTL_MS } from "../../contract/oauth"
import type { AuthorizeRequest, StoredCode } from "../../domain/oauth-request"
import { dbTime, fromDbTime } from "../clock"
import { type Db, execute, newId, selectJson } from "../db"

/** Stores a new code by its hash, bound to the request it was given for. */
export function insertCode(
  tx: Db,
  code: { hash: string; tenantId: string; userId: string; request: AuthorizeRequest },
  nowMs: number,
): void {
  const { request } = code
  execute(
    tx,
    `INSERT INTO oauth_codes (id, code_hash, tenant_id, user_id, client_id, redirect_uri, scope, code_challenge, expires_at,
       used_at, created)
     VALUES ({:id}, {:hash}, {:tenantId}, {:userId}, {:clientId}, {:redirectUri}, {:scope}, {:challenge}, {:expiresAt}, '', {:now})`,
    {
      id: newId(nowMs),
      hash: code.hash,
      tenantId: code.tenantId,
      userId: code.userId,
      clientId: request.clientId,
      redirectUri: request.redirectUri,
      scope: request.scope,
      challenge: request.codeChallenge,
      expiresAt: dbTime(nowMs + CODE_TTL_MS),
      now: dbTime(nowMs),
    },
  )
}

export const FIND_CODE = `SELECT json_group_array(json_object('id', id, 'userId', user_id, 'clientId', client_id,
  'redirectUri', redirect_uri, 'scope', scope, 'codeChallenge', code_challenge, 'expiresAt', expires_at, 'usedAt', used_at)) AS j
  FROM oauth_codes WHERE code_hash = {:hash} AND tenant_id = {:tenantId}`

export function findCode(db: Db, tenantId: string, hash: string): StoredCode | null {
  const row = selectJson<(Omit<StoredCode, "expiresAtMs" | "usedAtMs"> & { expiresAt: string; usedAt: string })[]>(
    db,
    FIND_CODE,
    {
      tenantId,
      hash,
    },
  )[0]
  if (!row) return null
  const { expiresAt, usedAt, ...code } = row
  return { ...code, expiresAtMs: fromDbTime(expiresAt), usedAtMs: usedAt === "" ? null : fromDbTime(usedAt) }
}

/** Whatever comes of it, a code that was presented is used up. */
export function markCodeUsed(tx: Db, id: string, now: string): void {
  execute(tx, "UPDATE oauth_codes SET used_at = {:now} WHERE id = {:id} AND used_at = ''", { id, now })
}

/** Deletes codes that ran out before the given time; until then a replay can be told from a code that never was. */
export function deleteCodesBefore(tx: Db, time: string): number {
  return execute(tx, "DELETE FROM oauth_codes WHERE expires_at < {:time}", { time })
}
