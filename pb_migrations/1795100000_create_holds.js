// The gate: one hold per call in flight, and what was refused with the numbers of that moment. What is available is always
// total − used − Σ open holds, computed when asked: there is no counter that could leak.
migrate(
  (app) => {
    const active = "@request.auth.status = 'active'"
    const operator = active + " && @request.auth.role = 'operator'"
    const ownRows =
      "(" +
      operator +
      ") || (@request.auth.tenant_id != '' && " +
      active +
      " && tenant_id = @request.auth.tenant_id" +
      " && (@request.auth.role = 'tenant_admin' || user_id = @request.auth.id))"
    const tenants = app.findCollectionByNameOrId("tenants")
    const users = app.findCollectionByNameOrId("users")
    const integer = (name) => ({ type: "number", name, onlyInt: true })
    const text = (name, max) => ({ type: "text", name, max: max || 200 })
    const ownedBy = [
      { type: "relation", name: "tenant_id", required: true, collectionId: tenants.id, maxSelect: 1 },
      { type: "relation", name: "user_id", collectionId: users.id, maxSelect: 1 },
      text("api_key_id", 20),
    ]

    app.save(
      new Collection({
        type: "base",
        name: "holds",
        fields: [
          ...ownedBy,
          // The budgets row of the key (or of the line of keys that it was rotated from); empty = the key has no own limit.
          text("key_budget_id", 20),
          text("call_id", 128),
          text("model"),
          text("purpose", 20),
          integer("amount_nano"),
          integer("tokens_input_estimate"),
          integer("max_tokens"),
          { type: "bool", name: "clamped" },
          {
            type: "select",
            name: "state",
            required: true,
            maxSelect: 1,
            values: ["open", "settled", "released", "expired"],
          },
          // The usage event that closed it.
          text("settled_by", 128),
          { type: "date", name: "expires_at", required: true },
          { type: "autodate", name: "created", onCreate: true },
          { type: "autodate", name: "updated", onCreate: true, onUpdate: true },
        ],
        indexes: [
          "CREATE UNIQUE INDEX idx_holds_call ON holds (tenant_id, call_id)",
          "CREATE INDEX idx_holds_open ON holds (tenant_id, expires_at, user_id, key_budget_id, api_key_id, amount_nano, state)" +
            " WHERE state = 'open'",
          "CREATE INDEX idx_holds_recent ON holds (user_id, created)",
        ],
      }),
    )
    app.save(
      new Collection({
        type: "base",
        name: "refusals",
        fields: [
          ...ownedBy,
          text("call_id", 128),
          text("model"),
          text("code", 40),
          text("scope", 20),
          // Nano-EUR for budgets, calls for rates.
          integer("limit_value"),
          integer("used_value"),
          integer("held_value"),
          integer("needed_nano"),
          text("resets_at", 30),
          text("message", 500),
          // A client that retries in a loop makes one row a minute, not one a call.
          integer("times"),
          text("minute", 20),
          { type: "autodate", name: "created", onCreate: true },
          { type: "autodate", name: "updated", onCreate: true, onUpdate: true },
        ],
        indexes: [
          "CREATE UNIQUE INDEX idx_refusals_minute ON refusals (tenant_id, user_id, api_key_id, model, code, minute)",
          "CREATE INDEX idx_refusals_user ON refusals (user_id, created)",
        ],
        listRule: ownRows,
        viewRule: ownRows,
      }),
    )

    for (const name of ["products", "product_versions"]) {
      const collection = app.findCollectionByNameOrId(name)
      // Calls of one user at the same time; 0 = no limit.
      collection.fields.add(new NumberField({ name: "max_parallel", onlyInt: true, min: 0 }))
      app.save(collection)
    }
  },
  (app) => {
    for (const name of ["products", "product_versions"]) {
      const collection = app.findCollectionByNameOrId(name)
      collection.fields.removeByName("max_parallel")
      app.save(collection)
    }
    app.delete(app.findCollectionByNameOrId("refusals"))
    app.delete(app.findCollectionByNameOrId("holds"))
  },
)
