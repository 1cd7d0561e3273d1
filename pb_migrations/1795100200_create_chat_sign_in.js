// One sign-in: each tenant's chat (Open WebUI) is an OAuth client of this server. What is only verified is stored as a hash
// (client secret, codes, tokens); what must be used again (the stack's own secrets) is encrypted under SECRETS_KEY.
migrate(
  (app) => {
    const tenants = app.findCollectionByNameOrId("tenants")
    const users = app.findCollectionByNameOrId("users")
    const text = (name, max) => ({ type: "text", name: name, max: max })
    const needed = (name, max) => ({ type: "text", name: name, required: true, max: max })
    const hash = (name) => ({ type: "text", name: name, required: true, hidden: true, max: 64 })
    const created = { type: "autodate", name: "created", onCreate: true }
    const tenantId = { type: "relation", name: "tenant_id", required: true, collectionId: tenants.id, maxSelect: 1 }
    const userId = {
      type: "relation",
      name: "user_id",
      required: true,
      collectionId: users.id,
      maxSelect: 1,
      // These rows are means of access: they go with their user.
      cascadeDelete: true,
    }

    tenants.fields.add(new SelectField({ name: "language", maxSelect: 1, values: ["de", "en"] }))
    app.save(tenants)
    app.db().newQuery("UPDATE tenants SET language = 'de'").execute()

    app.save(
      new Collection({
        type: "base",
        name: "tenant_stacks",
        fields: [
          tenantId,
          needed("chat_url", 300),
          needed("oauth_client_id", 100),
          hash("oauth_client_secret_hash"),
          needed("oauth_redirect_uri", 300),
          text("admin_email", 254),
          text("scim_url", 300),
          { type: "text", name: "secrets_encrypted", hidden: true, max: 20000 },
          created,
          { type: "autodate", name: "updated", onCreate: true, onUpdate: true },
        ],
        indexes: ["CREATE UNIQUE INDEX idx_tenant_stacks_tenant ON tenant_stacks (tenant_id)"],
      }),
    )
    app.save(
      new Collection({
        type: "base",
        name: "oauth_codes",
        fields: [
          hash("code_hash"),
          tenantId,
          userId,
          needed("client_id", 100),
          needed("redirect_uri", 300),
          text("scope", 300),
          needed("code_challenge", 43),
          needed("expires_at", 30),
          text("used_at", 30),
          created,
        ],
        indexes: [
          "CREATE UNIQUE INDEX idx_oauth_codes_hash ON oauth_codes (code_hash)",
          "CREATE INDEX idx_oauth_codes_user ON oauth_codes (user_id)",
          "CREATE INDEX idx_oauth_codes_expires ON oauth_codes (expires_at)",
        ],
      }),
    )
    app.save(
      new Collection({
        type: "base",
        name: "oauth_tokens",
        fields: [
          hash("token_hash"),
          // The code that bought this token: a code that is presented twice takes the token away again.
          needed("code_id", 15),
          tenantId,
          userId,
          text("scope", 300),
          needed("expires_at", 30),
          text("revoked_at", 30),
          created,
        ],
        indexes: [
          "CREATE UNIQUE INDEX idx_oauth_tokens_hash ON oauth_tokens (token_hash)",
          "CREATE INDEX idx_oauth_tokens_code ON oauth_tokens (code_id)",
          "CREATE INDEX idx_oauth_tokens_user ON oauth_tokens (user_id)",
          "CREATE INDEX idx_oauth_tokens_expires ON oauth_tokens (expires_at)",
        ],
      }),
    )
    app.save(
      new Collection({
        type: "base",
        name: "chat_accounts",
        fields: [
          tenantId,
          userId,
          needed("chat_user_id", 100),
          { type: "select", name: "state", required: true, maxSelect: 1, values: ["active", "inactive"] },
          created,
          { type: "autodate", name: "updated", onCreate: true, onUpdate: true },
        ],
        indexes: [
          "CREATE UNIQUE INDEX idx_chat_accounts_chat_user ON chat_accounts (tenant_id, chat_user_id)",
          "CREATE UNIQUE INDEX idx_chat_accounts_user ON chat_accounts (tenant_id, user_id)",
          "CREATE INDEX idx_chat_accounts_person ON chat_accounts (user_id)",
        ],
      }),
    )
  },
  (app) => {
    for (const name of ["chat_accounts", "oauth_tokens", "oauth_codes", "tenant_stacks"]) {
      app.delete(app.findCollectionByNameOrId(name))
    }
    const tenants = app.findCollectionByNameOrId("tenants")
    tenants.fields.removeByName("language")
    app.save(tenants)
  },
)
