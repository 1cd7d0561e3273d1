// API keys get terms (models, own limit, parallel calls) and a line: the keys that came from one another by rotation. The limit
// and what was used of it are kept under the id of the line's first key, so that a new secret never brings fresh money.
migrate(
  (app) => {
    const keys = app.findCollectionByNameOrId("api_keys")
    keys.fields.add(new JSONField({ name: "models", maxSize: 20000 }))
    // 0 = none of its own.
    keys.fields.add(new NumberField({ name: "limit_nano", onlyInt: true, min: 0 }))
    keys.fields.add(new NumberField({ name: "max_parallel", onlyInt: true, min: 0 }))
    keys.fields.add(new TextField({ name: "rotated_to", max: 20 }))
    keys.fields.add(new TextField({ name: "budget_key_id", max: 20 }))
    keys.addIndex("idx_api_keys_line", false, "budget_key_id", "")
    app.save(keys)

    const run = (sql) => app.db().newQuery(sql).execute()
    run("UPDATE api_keys SET budget_key_id = id, models = '[\"*\"]'")
    // A key that had a limit before it had a column for it keeps it.
    run(
      "UPDATE api_keys SET limit_nano = b.allowance_nano FROM (SELECT api_key_id, allowance_nano FROM budgets" +
        " WHERE scope = 'api_key') AS b WHERE b.api_key_id = api_keys.id",
    )

    // What a line of keys has used is asked when a limit is put on it afterwards, inside a write transaction.
    const usage = app.findCollectionByNameOrId("usage_logs")
    usage.addIndex("idx_usage_logs_api_key", false, "api_key_id, period_key", "api_key_id != ''")
    app.save(usage)
  },
  (app) => {
    const usage = app.findCollectionByNameOrId("usage_logs")
    usage.removeIndex("idx_usage_logs_api_key")
    app.save(usage)
    const keys = app.findCollectionByNameOrId("api_keys")
    keys.removeIndex("idx_api_keys_line")
    for (const name of ["models", "limit_nano", "max_parallel", "rotated_to", "budget_key_id"]) keys.fields.removeByName(name)
    app.save(keys)
  },
)
