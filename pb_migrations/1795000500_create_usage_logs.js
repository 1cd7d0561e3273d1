// Usage: append-only, one row per (tenant, event id). A correction is a row of its own that names the one it corrects.
migrate(
  (app) => {
    const active = "@request.auth.status = 'active'"
    const operator = active + " && @request.auth.role = 'operator'"
    const ofTenant = "@request.auth.tenant_id != '' && " + active + " && tenant_id = @request.auth.tenant_id"
    const tenants = app.findCollectionByNameOrId("tenants")
    const users = app.findCollectionByNameOrId("users")
    const integer = (name) => ({ type: "number", name, onlyInt: true })
    const text = (name, max) => ({ type: "text", name, max: max || 200 })

    const ownRows =
      "(" + operator + ") || (" + ofTenant + " && (@request.auth.role = 'tenant_admin' || user_id = @request.auth.id))"
    app.save(
      new Collection({
        type: "base",
        name: "usage_logs",
        fields: [
          { type: "relation", name: "tenant_id", required: true, collectionId: tenants.id, maxSelect: 1 },
          { type: "relation", name: "user_id", collectionId: users.id, maxSelect: 1 },
          text("model"),
          integer("tokens_input"),
          integer("tokens_output"),
          integer("total_tokens"),
          { type: "number", name: "cost_total" },
          { type: "date", name: "timestamp" },
          text("event_id"),
          text("call_id"),
          text("api_key_id"),
          text("claimed_user"),
          text("model_requested"),
          text("provider"),
          text("kind", 20),
          integer("tokens_uncached"),
          integer("tokens_cache_read"),
          integer("tokens_cache_write"),
          integer("tokens_cache_write_1h"),
          integer("tokens_reasoning"),
          integer("images"),
          integer("audio_ms"),
          integer("characters"),
          integer("cost_nano"),
          text("price_id", 20),
          { type: "select", name: "price_status", maxSelect: 1, values: ["priced", "estimated", "quarantined", "corrected"] },
          text("status", 20),
          { type: "bool", name: "aborted" },
          { type: "bool", name: "cache_hit" },
          text("purpose", 20),
          text("source", 100),
          integer("reported_cost_nano_usd"),
          integer("duration_ms"),
          text("period_key", 10),
          text("corrects"),
          { type: "autodate", name: "created", onCreate: true },
        ],
        indexes: [
          "CREATE UNIQUE INDEX idx_usage_logs_event ON usage_logs (tenant_id, event_id)",
          "CREATE INDEX idx_usage_logs_tenant_time ON usage_logs (tenant_id, timestamp)",
          "CREATE INDEX idx_usage_logs_tenant_period ON usage_logs (tenant_id, period_key)",
          "CREATE INDEX idx_usage_logs_user_time ON usage_logs (user_id, timestamp)",
          "CREATE INDEX idx_usage_logs_quarantined ON usage_logs (model) WHERE price_status = 'quarantined'",
          "CREATE INDEX idx_usage_logs_corrects ON usage_logs (tenant_id, corrects) WHERE corrects != ''",
        ],
        listRule: ownRows,
        viewRule: ownRows,
      }),
    )
    for (const verb of ["UPDATE", "DELETE"]) {
      app
        .db()
        .newQuery(
          "CREATE TRIGGER usage_logs_no_" +
            verb.toLowerCase() +
            " BEFORE " +
            verb +
            " ON usage_logs BEGIN SELECT RAISE(ABORT, 'usage_logs is append-only: book a correction'); END",
        )
        .execute()
    }

    app.save(
      new Collection({
        type: "base",
        name: "ingest_keys",
        fields: [
          { type: "relation", name: "tenant_id", required: true, collectionId: tenants.id, maxSelect: 1 },
          text("name", 100),
          { type: "text", name: "key_hash", required: true, hidden: true, max: 64 },
          text("prefix", 20),
          text("last4", 4),
          { type: "select", name: "status", required: true, maxSelect: 1, values: ["active", "revoked"] },
          { type: "select", name: "route", required: true, maxSelect: 1, values: ["any", "events", "litellm"] },
          text("expires_at", 30),
          text("last_used", 30),
          { type: "autodate", name: "created", onCreate: true },
        ],
        indexes: [
          "CREATE UNIQUE INDEX idx_ingest_keys_hash ON ingest_keys (key_hash)",
          "CREATE INDEX idx_ingest_keys_tenant ON ingest_keys (tenant_id)",
        ],
        listRule: "(" + operator + ") || (" + ofTenant + " && @request.auth.role = 'tenant_admin')",
        viewRule: "(" + operator + ") || (" + ofTenant + " && @request.auth.role = 'tenant_admin')",
      }),
    )
    app.save(
      new Collection({
        type: "base",
        name: "ingest_cursors",
        fields: [
          { type: "relation", name: "tenant_id", required: true, collectionId: tenants.id, maxSelect: 1 },
          text("source", 128),
          text("epoch", 128),
          integer("next_seq"),
          { type: "json", name: "gaps", maxSize: 200000 },
          text("seen_at", 30),
          integer("spool_age_s"),
        ],
        indexes: ["CREATE UNIQUE INDEX idx_ingest_cursors_source ON ingest_cursors (tenant_id, source)"],
      }),
    )
  },
  (app) => {
    for (const name of ["ingest_cursors", "ingest_keys", "usage_logs"]) {
      app.delete(app.findCollectionByNameOrId(name))
    }
  },
)
