// Users: the owner's fields on PocketBase's auth collection, and the API rules of tenants, products and users.
// A privileged field can be changed by nobody but an operator; sign-up is closed (people are invited).
migrate(
  (app) => {
    const tenants = app.findCollectionByNameOrId("tenants")
    const products = app.findCollectionByNameOrId("products")
    const versions = app.findCollectionByNameOrId("product_versions")
    const users = app.findCollectionByNameOrId("users")

    users.fields.add(new RelationField({ name: "tenant_id", collectionId: tenants.id, maxSelect: 1 }))
    users.fields.add(
      new SelectField({ name: "role", required: true, maxSelect: 1, values: ["operator", "sales", "tenant_admin", "member"] }),
    )
    users.fields.add(
      new SelectField({ name: "status", required: true, maxSelect: 1, values: ["pending", "active", "suspended"] }),
    )
    users.fields.add(new RelationField({ name: "product_id", collectionId: products.id, maxSelect: 1 }))
    users.fields.add(new RelationField({ name: "product_version_id", collectionId: versions.id, maxSelect: 1 }))
    users.fields.add(new NumberField({ name: "budget_total" }))
    users.fields.add(new NumberField({ name: "budget_used" }))
    users.fields.add(new NumberField({ name: "budget_remaining" }))
    users.fields.add(new DateField({ name: "budget_reset_date" }))
    users.addIndex("idx_users_tenant", false, "tenant_id", "")
    users.addIndex("idx_users_product", false, "product_id", "")

    const active = "@request.auth.status = 'active'"
    const operator = active + " && @request.auth.role = 'operator'"
    const sales = active + " && @request.auth.role = 'sales'"
    const ofTenant = (field) => "@request.auth.tenant_id != '' && " + active + " && " + field + " = @request.auth.tenant_id"
    const unchanged = (...names) => names.map((name) => "@request.body." + name + ":changed = false").join(" && ")
    const privileged = [
      "tenant_id",
      "role",
      "product_id",
      "product_version_id",
      "budget_total",
      "budget_used",
      "budget_remaining",
      "budget_reset_date",
    ]

    users.authRule = "status = 'active'"
    users.manageRule = operator
    const readRule =
      "(" +
      operator +
      ") || (" +
      active +
      " && id = @request.auth.id) || (" +
      ofTenant("tenant_id") +
      " && @request.auth.role = 'tenant_admin')"
    users.listRule = readRule
    users.viewRule = readRule
    users.createRule = operator
    users.updateRule =
      "(" +
      operator +
      ") || (" +
      active +
      " && id = @request.auth.id && " +
      unchanged("status", ...privileged) +
      ")" +
      " || (" +
      ofTenant("tenant_id") +
      " && @request.auth.role = 'tenant_admin' && role = 'member' && " +
      unchanged(...privileged) +
      ")"
    users.deleteRule = null
    app.save(users)

    const ownTenant = "(" + operator + ") || (" + ofTenant("id") + ")"
    tenants.listRule = ownTenant
    tenants.viewRule = ownTenant
    tenants.createRule = operator
    tenants.updateRule = operator
    app.save(tenants)

    // The public pricing page reads active products without a login; drafts are for the people who make them.
    const offered = "active = true || (" + operator + ") || (" + sales + ")"
    products.listRule = offered
    products.viewRule = offered
    products.createRule = operator
    products.updateRule = operator
    app.save(products)

    versions.listRule = active
    versions.viewRule = active
    app.save(versions)

    app.save(
      new Collection({
        type: "view",
        name: "tenant_directory",
        viewQuery: "SELECT id, name, slug, status FROM tenants",
        listRule: "(" + operator + ") || (" + sales + ")",
        viewRule: "(" + operator + ") || (" + sales + ")",
      }),
    )
  },
  (app) => {
    app.delete(app.findCollectionByNameOrId("tenant_directory"))
    for (const name of ["tenants", "products", "product_versions"]) {
      const collection = app.findCollectionByNameOrId(name)
      collection.listRule = null
      collection.viewRule = null
      collection.createRule = null
      collection.updateRule = null
      app.save(collection)
    }
    const users = app.findCollectionByNameOrId("users")
    users.authRule = ""
    users.manageRule = null
    users.listRule = "id = @request.auth.id"
    users.viewRule = "id = @request.auth.id"
    users.createRule = ""
    users.updateRule = "id = @request.auth.id"
    users.deleteRule = "id = @request.auth.id"
    users.removeIndex("idx_users_tenant")
    users.removeIndex("idx_users_product")
    for (const name of [
      "tenant_id",
      "role",
      "status",
      "product_id",
      "product_version_id",
      "budget_total",
      "budget_used",
      "budget_remaining",
      "budget_reset_date",
    ]) {
      users.fields.removeByName(name)
    }
    app.save(users)
  },
)
