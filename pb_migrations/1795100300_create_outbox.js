// What must leave the process waits here: written in the transaction of the change itself, delivered by cron with back-off.
migrate(
  (app) => {
    const tenants = app.findCollectionByNameOrId("tenants")
    const operator = "@request.auth.status = 'active' && @request.auth.role = 'operator'"
    const text = (name, max) => ({ type: "text", name: name, max: max })
    app.save(
      new Collection({
        type: "base",
        name: "outbox",
        fields: [
          { type: "text", name: "kind", required: true, max: 60 },
          { type: "relation", name: "tenant_id", collectionId: tenants.id, maxSelect: 1 },
          { type: "text", name: "dedupe_key", required: true, max: 200 },
          // Ids only, never a secret: operators read this collection.
          { type: "json", name: "payload", maxSize: 100000 },
          { type: "select", name: "state", required: true, maxSelect: 1, values: ["pending", "delivered", "dead"] },
          // Grows when the message is wanted again: a delivery that began before does not count as the newer one's.
          { type: "number", name: "version", onlyInt: true, min: 0 },
          { type: "number", name: "attempts", onlyInt: true, min: 0 },
          text("next_attempt_at", 30),
          text("leased_until", 30),
          text("last_error", 500),
          { type: "autodate", name: "created", onCreate: true },
          text("delivered_at", 30),
        ],
        indexes: [
          "CREATE UNIQUE INDEX idx_outbox_dedupe ON outbox (dedupe_key)",
          "CREATE INDEX idx_outbox_due ON outbox (next_attempt_at) WHERE state = 'pending'",
          "CREATE INDEX idx_outbox_delivered ON outbox (delivered_at) WHERE state = 'delivered'",
          "CREATE INDEX idx_outbox_tenant ON outbox (tenant_id)",
        ],
        listRule: operator,
        viewRule: operator,
      }),
    )
  },
  (app) => app.delete(app.findCollectionByNameOrId("outbox")),
)
