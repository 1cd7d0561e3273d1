import templateFiles from "virtual:tenant-template"
import { parseRequest } from "../../contract/requests"
import { TenantBundle } from "../../contract/tenant-bundle"
import { requireOperator } from "../../pocketbase/auth"
import { publicUrl } from "../../pocketbase/public-url"
import { readObject } from "../../pocketbase/read-body"
import { pathParam } from "../../pocketbase/request"
import { answerFile } from "../../pocketbase/respond-file"
import { prepareTenantBundle } from "../../usecases/prepare-tenant-bundle"

/**
 * POST /api/tenants/{id}/bundle: a zip with everything that the tenant's stack needs but the provider keys. In a bundle of its
 * own (pb_hooks/tenant-bundle.js): template and zip would cost every virtual machine their reading, for a route used by hand.
 */
export function postTenantBundle(e: core.RequestEvent): void {
  answerFile(e, () => {
    const caller = requireOperator(e)
    const { rotate } = parseRequest(TenantBundle, readObject(e))
    const bundle = prepareTenantBundle(caller, pathParam(e, "id"), rotate, publicUrl(e), templateFiles)
    return { name: bundle.fileName, type: "application/zip", bytes: bundle.bytes }
  })
}
