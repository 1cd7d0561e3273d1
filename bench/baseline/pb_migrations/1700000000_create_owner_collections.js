/// The owner's collections as first named, plain: what the five-service design would have stored into.
migrate(
  (app) => {
    const tenants = new Collection({
      type: "base",
      name: "tenants",
      fields: [
        { type: "text", name: "name", required: true },
        { type: "text", name: "slug", required: true },
        { type: "text", name: "status" },
      ],
      indexes: ["CREATE UNIQUE INDEX idx_tenants_slug ON tenants (slug)"],
    })
    app.save(tenants)

    const users = app.findCollectionByNameOrId("users")
    users.fields.add(new RelationField({ name: "tenant_id", collectionId: tenants.id, maxSelect: 1 }))
    users.fields.add(new TextField({ name: "status" }))
    for (const name of ["budget_total", "budget_used", "budget_remaining"]) users.fields.add(new NumberField({ name }))
    app.save(users)

    app.save(
      new Collection({
        type: "base",
        name: "usage_logs",
        fields: [
          { type: "relation", name: "tenant_id", collectionId: tenants.id, maxSelect: 1 },
          { type: "relation", name: "user_id", collectionId: users.id, maxSelect: 1 },
          { type: "text", name: "model" },
          { type: "number", name: "tokens_input" },
          { type: "number", name: "tokens_output" },
          { type: "number", name: "total_tokens" },
          { type: "number", name: "cost_total" },
          { type: "date", name: "timestamp" },
        ],
      }),
    )

    const settings = app.settings()
    settings.batch.enabled = true
    settings.batch.maxRequests = 1000
    settings.batch.timeout = 60
    app.save(settings)
  },
  (app) => {
    app.delete(app.findCollectionByNameOrId("usage_logs"))
    const users = app.findCollectionByNameOrId("users")
    for (const name of ["tenant_id", "status", "budget_total", "budget_used", "budget_remaining"]) {
      users.fields.removeByName(name)
    }
    app.save(users)
    app.delete(app.findCollectionByNameOrId("tenants"))
  },
)
