// The price book. model_prices (sell, nano-EUR) is for everybody who is signed in; model_costs (upstream, USD) is a
// collection of its own because rules and hidden fields work per row and for superusers only.
migrate(
  (app) => {
    const active = "@request.auth.status = 'active'"
    const operator = active + " && @request.auth.role = 'operator'"
    const tenants = app.findCollectionByNameOrId("tenants")

    const prices = new Collection({
      type: "base",
      name: "model_prices",
      fields: [
        { type: "text", name: "model", required: true, max: 200 },
        { type: "text", name: "provider", required: true, max: 100 },
        {
          type: "select",
          name: "kind",
          required: true,
          maxSelect: 1,
          values: ["chat", "embedding", "image", "speech", "transcription", "other"],
        },
        { type: "number", name: "version", required: true, onlyInt: true, min: 1 },
        { type: "date", name: "effective_from", required: true },
        // Integers in nano-EUR: per 1,000,000 tokens of a class, per image, per second, per 1,000,000 characters, per call.
        { type: "json", name: "rates", required: true, maxSize: 20000 },
        { type: "number", name: "max_input_tokens", onlyInt: true, min: 0 },
        { type: "number", name: "max_output_tokens", onlyInt: true, min: 0 },
        { type: "autodate", name: "created", onCreate: true },
      ],
      indexes: [
        "CREATE UNIQUE INDEX idx_model_prices_version ON model_prices (model, version)",
        "CREATE INDEX idx_model_prices_effective ON model_prices (model, effective_from)",
        "CREATE INDEX idx_model_prices_provider ON model_prices (provider)",
      ],
      listRule: active,
      viewRule: active,
    })
    app.save(prices)
    app.save(
      new Collection({
        type: "base",
        name: "model_costs",
        fields: [
          { type: "relation", name: "price_id", required: true, collectionId: prices.id, maxSelect: 1 },
          { type: "text", name: "model", required: true, max: 200 },
          // Upstream prices as decimal strings in USD, in the units of the rates above.
          { type: "json", name: "usd", required: true, maxSize: 20000 },
          { type: "number", name: "usd_eur_micro", required: true, onlyInt: true, min: 1 },
          { type: "text", name: "usd_eur_date", required: true, max: 10 },
          { type: "number", name: "markup_bp", onlyInt: true },
          { type: "text", name: "source", max: 300 },
          { type: "autodate", name: "created", onCreate: true },
        ],
        indexes: ["CREATE UNIQUE INDEX idx_model_costs_price ON model_costs (price_id)"],
        listRule: operator,
        viewRule: operator,
      }),
    )
    for (const table of ["model_prices", "model_costs"]) {
      for (const verb of ["UPDATE", "DELETE"]) {
        app
          .db()
          .newQuery(
            "CREATE TRIGGER " +
              table +
              "_no_" +
              verb.toLowerCase() +
              " BEFORE " +
              verb +
              " ON " +
              table +
              " BEGIN SELECT RAISE(ABORT, 'published prices are immutable: publish a new version'); END",
          )
          .execute()
      }
    }
    app.save(
      new Collection({
        type: "base",
        name: "model_blocks",
        fields: [
          { type: "relation", name: "tenant_id", required: true, collectionId: tenants.id, maxSelect: 1 },
          { type: "text", name: "model", required: true, max: 200 },
          { type: "text", name: "provider", max: 100 },
          { type: "text", name: "reason", max: 300 },
          { type: "text", name: "lifted_at", max: 30 },
          { type: "autodate", name: "created", onCreate: true },
        ],
        indexes: ["CREATE UNIQUE INDEX idx_model_blocks_open ON model_blocks (tenant_id, model) WHERE lifted_at = ''"],
        listRule: operator,
        viewRule: operator,
      }),
    )
    const settings = new Collection({
      type: "base",
      name: "platform_settings",
      fields: [
        { type: "text", name: "name", required: true, max: 50 },
        { type: "number", name: "usd_eur_micro", required: true, onlyInt: true, min: 1 },
        { type: "text", name: "usd_eur_date", required: true, pattern: "^\\d{4}-\\d{2}-\\d{2}$" },
        { type: "number", name: "markup_bp", onlyInt: true, min: 0, max: 100000 },
        { type: "autodate", name: "updated", onCreate: true, onUpdate: true },
      ],
      indexes: ["CREATE UNIQUE INDEX idx_platform_settings_name ON platform_settings (name)"],
      listRule: operator,
      viewRule: operator,
      updateRule: operator,
    })
    app.save(settings)
    const row = new Record(settings)
    row.set("name", "pricing")
    row.set("usd_eur_micro", 920000)
    row.set("usd_eur_date", "2026-11-20")
    row.set("markup_bp", 2000)
    app.save(row)
  },
  (app) => {
    for (const name of ["platform_settings", "model_blocks", "model_costs", "model_prices"]) {
      app.delete(app.findCollectionByNameOrId(name))
    }
  },
)
