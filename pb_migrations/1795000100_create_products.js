// Products, and the immutable versions that users pin: a change of a product never changes what a subscriber has.
migrate(
  (app) => {
    const products = new Collection({
      type: "base",
      name: "products",
      fields: [
        { type: "text", name: "name", required: true, max: 200 },
        { type: "text", name: "description", max: 2000 },
        { type: "number", name: "price", min: 0 },
        { type: "text", name: "currency", required: true, pattern: "^EUR$" },
        { type: "number", name: "budget_included", min: 0, max: 1000000 },
        { type: "json", name: "models", maxSize: 20000 },
        { type: "json", name: "features", maxSize: 20000 },
        { type: "number", name: "rate_limit", onlyInt: true, min: 0 },
        { type: "number", name: "default_max_tokens", onlyInt: true, min: 0 },
        { type: "bool", name: "active" },
        { type: "autodate", name: "created", onCreate: true },
        { type: "autodate", name: "updated", onCreate: true, onUpdate: true },
      ],
    })
    app.save(products)
    app.save(
      new Collection({
        type: "base",
        name: "product_versions",
        fields: [
          { type: "relation", name: "product_id", required: true, collectionId: products.id, maxSelect: 1 },
          { type: "number", name: "version", required: true, onlyInt: true, min: 1 },
          { type: "text", name: "name", max: 200 },
          { type: "number", name: "price_cents", onlyInt: true, min: 0 },
          { type: "text", name: "currency" },
          { type: "number", name: "budget_included_nano", onlyInt: true, min: 0 },
          { type: "json", name: "models", maxSize: 20000 },
          { type: "json", name: "features", maxSize: 20000 },
          { type: "number", name: "rate_limit", onlyInt: true, min: 0 },
          { type: "number", name: "default_max_tokens", onlyInt: true, min: 0 },
          { type: "autodate", name: "created", onCreate: true },
        ],
        indexes: ["CREATE UNIQUE INDEX idx_product_versions_number ON product_versions (product_id, version)"],
      }),
    )
    for (const verb of ["UPDATE", "DELETE"]) {
      app
        .db()
        .newQuery(
          `CREATE TRIGGER product_versions_no_${verb.toLowerCase()} BEFORE ${verb} ON product_versions
           BEGIN SELECT RAISE(ABORT, 'product_versions are immutable: users pin them'); END`,
        )
        .execute()
    }
  },
  (app) => {
    app.delete(app.findCollectionByNameOrId("product_versions"))
    app.delete(app.findCollectionByNameOrId("products"))
  },
)
