/// Trampolines only. The host turns each handler into text and compiles it again in a pooled VM: nothing from this file's
/// scope exists inside a handler, so each one requires the bundle and calls one of its functions.

routerUse(new Middleware((e) => require(`${__hooks}/app.js`).aroundRequest(e), -99999, "cf_around_request"))

routerAdd(
  "POST",
  "/api/usage/events",
  (e) => require(`${__hooks}/app.js`).postUsageEvents(e),
  $apis.bodyLimit(4_194_304),
  $apis.skipSuccessActivityLog(),
)
routerAdd(
  "POST",
  "/api/usage/litellm",
  (e) => require(`${__hooks}/app.js`).postUsageLitellm(e),
  $apis.bodyLimit(16_777_216),
  $apis.skipSuccessActivityLog(),
)
routerAdd(
  "POST",
  "/api/usage/identify",
  (e) => require(`${__hooks}/app.js`).postIdentify(e),
  $apis.bodyLimit(262_144),
  $apis.skipSuccessActivityLog(),
)
routerAdd(
  "POST",
  "/api/usage/authorize",
  (e) => require(`${__hooks}/app.js`).postAuthorize(e),
  $apis.bodyLimit(262_144),
  $apis.skipSuccessActivityLog(),
)
routerAdd(
  "POST",
  "/api/usage/release",
  (e) => require(`${__hooks}/app.js`).postRelease(e),
  $apis.bodyLimit(262_144),
  $apis.skipSuccessActivityLog(),
)
routerAdd("GET", "/api/usage/cursor", (e) => require(`${__hooks}/app.js`).getUsageCursor(e), $apis.skipSuccessActivityLog())
routerAdd("GET", "/api/usage/summary", (e) => require(`${__hooks}/app.js`).getUsageSummary(e))
routerAdd("GET", "/api/budget", (e) => require(`${__hooks}/app.js`).getBudget(e))
routerAdd("GET", "/api/ready", (e) => require(`${__hooks}/app.js`).getReady(e), $apis.skipSuccessActivityLog())
routerAdd("POST", "/api/prices/publish", (e) => require(`${__hooks}/app.js`).postPricesPublish(e), $apis.bodyLimit(262_144))
routerAdd("POST", "/api/budgets/{id}/adjust", (e) => require(`${__hooks}/app.js`).postBudgetAdjust(e), $apis.bodyLimit(262_144))
routerAdd("POST", "/api/tenants/{id}/ingest-keys", (e) => require(`${__hooks}/app.js`).postIngestKey(e), $apis.bodyLimit(262_144))
routerAdd(
  "POST",
  "/api/tenants/{id}/bundle",
  (e) => require(`${__hooks}/tenant-bundle.js`).postTenantBundle(e),
  $apis.bodyLimit(262_144),
)
routerAdd(
  "POST",
  "/api/ingest-keys/{id}/rotate",
  (e) => require(`${__hooks}/app.js`).postIngestKeyRotate(e),
  $apis.bodyLimit(262_144),
)
routerAdd(
  "POST",
  "/api/ingest-keys/{id}/revoke",
  (e) => require(`${__hooks}/app.js`).postIngestKeyRevoke(e),
  $apis.bodyLimit(262_144),
)
routerAdd("POST", "/api/keys", (e) => require(`${__hooks}/app.js`).postApiKey(e), $apis.bodyLimit(262_144))
routerAdd("POST", "/api/keys/{id}/rotate", (e) => require(`${__hooks}/app.js`).postApiKeyRotate(e), $apis.bodyLimit(262_144))
routerAdd("POST", "/api/keys/{id}/revoke", (e) => require(`${__hooks}/app.js`).postApiKeyRevoke(e), $apis.bodyLimit(262_144))
routerAdd("POST", "/api/keys/{id}/update", (e) => require(`${__hooks}/app.js`).postApiKeyUpdate(e), $apis.bodyLimit(262_144))
routerAdd("GET", "/oauth2/{slug}/.well-known/openid-configuration", (e) => require(`${__hooks}/app.js`).getOpenidConfiguration(e))
routerAdd("GET", "/oauth2/{slug}/authorize", (e) => require(`${__hooks}/app.js`).getAuthorize(e), $apis.skipSuccessActivityLog())
routerAdd("POST", "/oauth2/{slug}/authorize", (e) => require(`${__hooks}/app.js`).postAuthorizeChat(e), $apis.bodyLimit(16_384))
routerAdd("POST", "/oauth2/{slug}/token", (e) => require(`${__hooks}/app.js`).postToken(e), $apis.bodyLimit(16_384))
routerAdd("GET", "/oauth2/{slug}/userinfo", (e) => require(`${__hooks}/app.js`).getUserInfo(e))

for (const path of [
  "/api/usage/identify",
  "/api/usage/authorize",
  "/api/usage/release",
  "/api/usage/events",
  "/api/usage/litellm",
  "/api/prices/publish",
  "/api/budgets/{id}/adjust",
  "/api/tenants/{id}/ingest-keys",
  "/api/tenants/{id}/bundle",
  "/api/ingest-keys/{id}/rotate",
  "/api/ingest-keys/{id}/revoke",
  "/api/keys",
  "/api/keys/{id}/rotate",
  "/api/keys/{id}/revoke",
  "/api/keys/{id}/update",
]) {
  for (const method of ["GET", "PUT", "PATCH", "DELETE"]) {
    routerAdd(method, path, (e) => require(`${__hooks}/app.js`).methodNotAllowed(e, "POST"))
  }
}
for (const path of ["/api/usage/cursor", "/api/usage/summary", "/api/budget", "/api/ready"]) {
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    routerAdd(method, path, (e) => require(`${__hooks}/app.js`).methodNotAllowed(e, "GET"))
  }
}
for (const path of ["/oauth2/{slug}/.well-known/openid-configuration", "/oauth2/{slug}/userinfo"]) {
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    routerAdd(method, path, (e) => require(`${__hooks}/app.js`).methodNotAllowed(e, "GET"))
  }
}
for (const method of ["PUT", "PATCH", "DELETE"]) {
  routerAdd(method, "/oauth2/{slug}/authorize", (e) => require(`${__hooks}/app.js`).methodNotAllowed(e, "GET, POST"))
}
for (const method of ["GET", "PUT", "PATCH", "DELETE"]) {
  routerAdd(method, "/oauth2/{slug}/token", (e) => require(`${__hooks}/app.js`).methodNotAllowed(e, "POST"))
}

onBootstrap((e) => {
  e.next()
  if ($os.args.indexOf("serve") >= 0) require(`${__hooks}/app.js`).prepareStart()
})

onRecordCreate((e) => require(`${__hooks}/app.js`).onProductSaved(e), "products")
onRecordUpdate((e) => require(`${__hooks}/app.js`).onProductSaved(e), "products")
onRecordCreate((e) => require(`${__hooks}/app.js`).onTenantSaved(e), "tenants")
onRecordUpdate((e) => require(`${__hooks}/app.js`).onTenantSaved(e), "tenants")
onRecordCreate((e) => require(`${__hooks}/app.js`).onUserSaved(e), "users")
onRecordUpdate((e) => require(`${__hooks}/app.js`).onUserSaved(e), "users")
onRecordDelete((e) => require(`${__hooks}/app.js`).refuseBookedDelete(e), "tenants", "users")

onRecordCreateRequest(
  (e) => require(`${__hooks}/app.js`).refuseMoneyWrite(e),
  "budgets",
  "credit_lots",
  "ledger_entries",
  "usage_logs",
  "holds",
  "refusals",
  "model_prices",
  "model_costs",
  "ingest_keys",
  "audit_log",
)
onRecordUpdateRequest(
  (e) => require(`${__hooks}/app.js`).refuseMoneyWrite(e),
  "budgets",
  "credit_lots",
  "ledger_entries",
  "usage_logs",
  "holds",
  "refusals",
  "model_prices",
  "model_costs",
  "audit_log",
)
onRecordDeleteRequest(
  (e) => require(`${__hooks}/app.js`).refuseMoneyWrite(e),
  "budgets",
  "credit_lots",
  "ledger_entries",
  "usage_logs",
  "holds",
  "refusals",
  "model_prices",
  "model_costs",
  "audit_log",
)

onRecordCreateRequest((e) => require(`${__hooks}/app.js`).refuseApiKeyWrite(e), "api_keys")
onRecordUpdateRequest((e) => require(`${__hooks}/app.js`).refuseApiKeyWrite(e), "api_keys")
onRecordDeleteRequest((e) => require(`${__hooks}/app.js`).refuseApiKeyWrite(e), "api_keys")

cronAdd("reset-due-budgets", "*/5 * * * *", () => require(`${__hooks}/app.js`).sweepResets())
cronAdd("expire-holds", "* * * * *", () => require(`${__hooks}/app.js`).sweepHoldsDue())
cronAdd("deliver-outbox", "* * * * *", () => require(`${__hooks}/app.js`).runOutbox())
cronAdd("sweep-sign-in", "17 * * * *", () => require(`${__hooks}/app.js`).sweepSignIn())
cronAdd("reprice-quarantined", "*/5 * * * *", () => require(`${__hooks}/app.js`).sweepQuarantine())

$app.rootCmd?.addCommand(
  new Command({
    use: "doctor",
    short: "Checks the books of a data folder",
    run: (_cmd, args) => {
      $os.exit(require(`${__hooks}/app.js`).runDoctor(args))
    },
  }),
)
