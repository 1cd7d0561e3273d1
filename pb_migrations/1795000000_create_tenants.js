// Tenants: one customer (or one of our own stacks) each. Field names are the owner's; timezone and anchor_day drive resets.
migrate(
  (app) => {
    app.save(
      new Collection({
        type: "base",
        name: "tenants",
        fields: [
          { type: "text", name: "name", required: true, max: 200 },
          { type: "text", name: "slug", required: true, max: 63, pattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$" },
          { type: "text", name: "domain", max: 253 },
          { type: "select", name: "type", required: true, maxSelect: 1, values: ["internal", "demo", "development", "customer"] },
          { type: "select", name: "status", required: true, maxSelect: 1, values: ["pending", "active", "suspended", "deleted"] },
          { type: "json", name: "services", maxSize: 20000 },
          { type: "text", name: "billing_plan", max: 100 },
          { type: "number", name: "max_users", onlyInt: true, min: 0 },
          { type: "text", name: "timezone", max: 64 },
          { type: "number", name: "anchor_day", onlyInt: true, min: 0, max: 31 },
          { type: "autodate", name: "created", onCreate: true },
          { type: "autodate", name: "updated", onCreate: true, onUpdate: true },
        ],
        indexes: ["CREATE UNIQUE INDEX idx_tenants_slug ON tenants (slug)"],
        // The API rules name users.tenant_id and users.role, which 1795000200_extend_users adds: they are set there.
      }),
    )
  },
  (app) => app.delete(app.findCollectionByNameOrId("tenants")),
)
