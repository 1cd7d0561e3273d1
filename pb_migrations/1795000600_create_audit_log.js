// Who changed what, why, from which value to which. Append-only.
migrate(
  (app) => {
    const active = "@request.auth.status = 'active'"
    const operator = active + " && @request.auth.role = 'operator'"
    const tenants = app.findCollectionByNameOrId("tenants")
    const readRule =
      "(" +
      operator +
      ") || (@request.auth.tenant_id != '' && " +
      active +
      " && tenant_id = @request.auth.tenant_id && @request.auth.role = 'tenant_admin')"
    app.save(
      new Collection({
        type: "base",
        name: "audit_log",
        fields: [
          { type: "relation", name: "tenant_id", collectionId: tenants.id, maxSelect: 1 },
          { type: "text", name: "actor", required: true, max: 200 },
          { type: "text", name: "action", required: true, max: 100 },
          { type: "text", name: "target", max: 200 },
          { type: "json", name: "before", maxSize: 50000 },
          { type: "json", name: "after", maxSize: 50000 },
          { type: "text", name: "reason", max: 500 },
          { type: "text", name: "ref", max: 300 },
          { type: "autodate", name: "created", onCreate: true },
        ],
        indexes: [
          "CREATE INDEX idx_audit_log_tenant ON audit_log (tenant_id, created)",
          "CREATE UNIQUE INDEX idx_audit_log_ref ON audit_log (ref) WHERE ref != ''",
          "CREATE INDEX idx_audit_log_target ON audit_log (target, created)",
        ],
        listRule: readRule,
        viewRule: readRule,
      }),
    )
    for (const verb of ["UPDATE", "DELETE"]) {
      app
        .db()
        .newQuery(
          "CREATE TRIGGER audit_log_no_" +
            verb.toLowerCase() +
            " BEFORE " +
            verb +
            " ON audit_log BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END",
        )
        .execute()
    }
  },
  (app) => app.delete(app.findCollectionByNameOrId("audit_log")),
)
