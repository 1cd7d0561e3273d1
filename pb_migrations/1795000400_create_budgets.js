// Money. budgets is the truth (integers, changed by SQL only); users.budget_* is its projection in EUR, kept by triggers in
// both directions; ledger_entries only grows.
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
    const ownedBy = [
      { type: "relation", name: "tenant_id", required: true, collectionId: tenants.id, maxSelect: 1 },
      { type: "relation", name: "user_id", collectionId: users.id, maxSelect: 1 },
    ]

    const apiKeys = new Collection({
      type: "base",
      name: "api_keys",
      fields: [
        ...ownedBy,
        { type: "text", name: "name", max: 100 },
        { type: "text", name: "key_hash", required: true, hidden: true, max: 64 },
        { type: "text", name: "prefix", max: 20 },
        { type: "text", name: "last4", max: 4 },
        { type: "select", name: "status", required: true, maxSelect: 1, values: ["active", "revoked"] },
        { type: "date", name: "expires_at" },
        { type: "date", name: "last_used" },
        { type: "autodate", name: "created", onCreate: true },
      ],
      indexes: [
        "CREATE UNIQUE INDEX idx_api_keys_hash ON api_keys (key_hash)",
        "CREATE INDEX idx_api_keys_owner ON api_keys (tenant_id, user_id)",
      ],
      listRule: ownRows,
      viewRule: ownRows,
    })
    app.save(apiKeys)

    const budgets = new Collection({
      type: "base",
      name: "budgets",
      fields: [
        { type: "select", name: "scope", required: true, maxSelect: 1, values: ["tenant", "user", "api_key"] },
        ...ownedBy,
        { type: "relation", name: "api_key_id", collectionId: apiKeys.id, maxSelect: 1 },
        { type: "number", name: "total_nano", onlyInt: true },
        { type: "number", name: "used_nano", onlyInt: true },
        // The monthly allowance granted in this period: an upgrade grants the difference to it, a downgrade nothing.
        { type: "number", name: "allowance_nano", onlyInt: true },
        { type: "text", name: "period_key", required: true, pattern: "^\\d{4}-\\d{2}-\\d{2}$" },
        { type: "date", name: "period_start", required: true },
        { type: "date", name: "resets_at", required: true },
        { type: "select", name: "policy", required: true, maxSelect: 1, values: ["money", "limit"] },
        { type: "autodate", name: "created", onCreate: true },
        { type: "autodate", name: "updated", onCreate: true, onUpdate: true },
      ],
      indexes: [
        "CREATE UNIQUE INDEX idx_budgets_scope ON budgets (tenant_id, scope, user_id, api_key_id)",
        "CREATE INDEX idx_budgets_user ON budgets (user_id)",
        "CREATE INDEX idx_budgets_due ON budgets (resets_at)",
      ],
      listRule: ownRows,
      viewRule: ownRows,
    })
    app.save(budgets)

    app.save(
      new Collection({
        type: "base",
        name: "credit_lots",
        fields: [
          { type: "relation", name: "budget_id", required: true, collectionId: budgets.id, maxSelect: 1 },
          ...ownedBy,
          { type: "select", name: "kind", required: true, maxSelect: 1, values: ["allowance", "credit"] },
          { type: "text", name: "source_ref", required: true, max: 200 },
          { type: "number", name: "amount_nano", onlyInt: true },
          // What the lot brought into the current period; after its expiry: what of it had been used.
          { type: "number", name: "open_nano", onlyInt: true },
          { type: "text", name: "expires_at", max: 30 },
          { type: "select", name: "state", required: true, maxSelect: 1, values: ["open", "expired", "closed"] },
          { type: "autodate", name: "created", onCreate: true },
        ],
        indexes: [
          "CREATE UNIQUE INDEX idx_credit_lots_source ON credit_lots (source_ref)",
          "CREATE INDEX idx_credit_lots_budget ON credit_lots (budget_id, state)",
          "CREATE INDEX idx_credit_lots_expiry ON credit_lots (expires_at) WHERE state = 'open' AND expires_at != ''",
        ],
        listRule: ownRows,
        viewRule: ownRows,
      }),
    )
    app.save(
      new Collection({
        type: "base",
        name: "ledger_entries",
        fields: [
          { type: "relation", name: "budget_id", required: true, collectionId: budgets.id, maxSelect: 1 },
          ...ownedBy,
          {
            type: "select",
            name: "kind",
            required: true,
            maxSelect: 1,
            values: ["grant", "reset", "top_up", "expiry", "carry_over", "late_usage", "adjustment", "refund", "correction"],
          },
          { type: "text", name: "ref", required: true, max: 300 },
          { type: "number", name: "amount_nano", onlyInt: true },
          { type: "number", name: "balance_after", onlyInt: true },
          { type: "text", name: "period_key", required: true },
          { type: "text", name: "actor", required: true, max: 200 },
          { type: "text", name: "reason", max: 500 },
          { type: "autodate", name: "created", onCreate: true },
        ],
        indexes: [
          "CREATE UNIQUE INDEX idx_ledger_entries_ref ON ledger_entries (kind, ref)",
          "CREATE INDEX idx_ledger_entries_budget ON ledger_entries (budget_id, period_key)",
          "CREATE INDEX idx_ledger_entries_user ON ledger_entries (user_id)",
        ],
        listRule: ownRows,
        viewRule: ownRows,
      }),
    )

    const run = (sql) => app.db().newQuery(sql).execute()
    for (const verb of ["UPDATE", "DELETE"]) {
      run(
        "CREATE TRIGGER ledger_entries_no_" +
          verb.toLowerCase() +
          " BEFORE " +
          verb +
          " ON ledger_entries BEGIN SELECT RAISE(ABORT, 'ledger_entries is append-only: book a correction'); END",
      )
    }
    const projected = (b) =>
      "budget_total = " +
      b +
      ".total_nano / 1e9, budget_used = " +
      b +
      ".used_nano / 1e9," +
      " budget_remaining = (" +
      b +
      ".total_nano - " +
      b +
      ".used_nano) / 1e9, budget_reset_date = " +
      b +
      ".resets_at"
    for (const [name, event] of [
      ["insert", "INSERT ON budgets"],
      ["update", "UPDATE OF total_nano, used_nano, resets_at ON budgets"],
    ]) {
      run(
        "CREATE TRIGGER budgets_project_" +
          name +
          " AFTER " +
          event +
          " WHEN new.scope = 'user' BEGIN UPDATE users SET " +
          projected("new") +
          " WHERE id = new.user_id; END",
      )
    }
    // Whoever writes users.budget_* (a whole-record save carries stale values): the projection is put right at once.
    run(
      "CREATE TRIGGER users_project AFTER UPDATE OF budget_total, budget_used, budget_remaining, budget_reset_date ON users" +
        " BEGIN UPDATE users SET " +
        projected("b") +
        " FROM (SELECT total_nano, used_nano, resets_at FROM budgets WHERE user_id = new.id AND scope = 'user') AS b" +
        " WHERE users.id = new.id AND (users.budget_used IS NOT b.used_nano / 1e9 OR users.budget_total IS NOT b.total_nano / 1e9" +
        " OR users.budget_remaining IS NOT (b.total_nano - b.used_nano) / 1e9 OR users.budget_reset_date IS NOT b.resets_at); END",
    )
  },
  (app) => {
    app.db().newQuery("DROP TRIGGER IF EXISTS users_project").execute()
    for (const name of ["ledger_entries", "credit_lots", "budgets", "api_keys"]) {
      app.delete(app.findCollectionByNameOrId(name))
    }
  },
)
