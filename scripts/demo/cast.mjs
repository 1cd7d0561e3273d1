// Who plays in the demo, and how much they use. Everything follows from fixed seeds: two demos of one day are alike.

export const PRODUCTS = [
  {
    name: "Starter",
    description: "For trying things out",
    price: 20,
    currency: "EUR",
    budget_included: 15,
    models: ["gpt-4o-mini", "gpt-4o"],
    features: { support: "mail" },
    rate_limit: 60,
    active: true,
  },
  {
    name: "Team",
    description: "For daily work",
    price: 50,
    currency: "EUR",
    budget_included: 50,
    models: ["all"],
    features: { support: "mail", sso: true },
    rate_limit: 120,
    active: true,
  },
  {
    name: "Enterprise",
    description: "Draft: not offered yet",
    price: 250,
    currency: "EUR",
    budget_included: 250,
    models: ["all"],
    features: { support: "phone", sso: true },
    rate_limit: 600,
    active: false,
  },
  {
    name: "Early Bird",
    description: "Archived: kept by those who have it",
    price: 35,
    currency: "EUR",
    budget_included: 40,
    models: ["all"],
    features: {},
    rate_limit: 120,
    active: false,
  },
]

/** share = part of the tenant's monthly money that is used; calls = how many calls that is. */
const CUSTOMERS = [
  { slug: "alpha", name: "Alpha Maschinenbau GmbH", share: 0.4, calls: 400 },
  { slug: "beta", name: "Beta Versicherungen AG", share: 0.92, calls: 500 },
  { slug: "gamma", name: "Gamma Verlag GmbH", share: 1.01, calls: 300 },
  { slug: "delta", name: "Delta Logistik GmbH", share: 0.3, calls: 150 },
  { slug: "epsilon", name: "Epsilon Start-up UG (trial)", share: 0, calls: 0 },
  { slug: "phi", name: "Phi Consulting GmbH, Wien", share: 0.55, calls: 200, timezone: "Europe/Vienna" },
  { slug: "eta", name: "Eta Handels GmbH & Co. KG", share: 0.7, calls: 5_000 },
  { slug: "theta", name: "Theta Labor GmbH", share: 0.2, calls: 80 },
]

const MODELS = [
  { model: "gpt-4o-mini", provider: "openai", weight: 5, eurPerMillion: [0.1656, 0.6624] },
  { model: "gpt-4o", provider: "openai", weight: 3, eurPerMillion: [2.76, 11.04] },
  { model: "claude-sonnet-4-5", provider: "anthropic", weight: 2, eurPerMillion: [3.312, 16.56] },
]

export function demoTenants() {
  const own = [
    { slug: "app", name: "CloudFreedom (internal)", type: "internal", share: 0.35, calls: 250 },
    { slug: "demo", name: "Demo", type: "demo", share: 0.1, calls: 40 },
    { slug: "dev", name: "Development", type: "development", share: 0.05, calls: 30 },
  ].map((tenant) => ({ ...tenant, staff: 1 }))
  const customers = CUSTOMERS.map((tenant) => ({ ...tenant, type: "customer", staff: 3 }))
  const others = Array.from({ length: 60 }, (_, i) => {
    const number = String(i + 1).padStart(2, "0")
    return { slug: `kunde-${number}`, name: `Kunde ${number} GmbH`, type: "customer", staff: 1, share: 0, calls: 0 }
  })
  return [...own, ...customers, ...others].map(toTenant)
}

function toTenant({ slug, name, type, staff, share, calls, timezone = "Europe/Berlin" }, order) {
  const users = Array.from({ length: staff }, (_, i) => ({
    email: i === 0 ? `admin@${slug}.example` : `member${i}@${slug}.example`,
    role: i === 0 ? "tenant_admin" : "member",
    product: staff === 1 ? "Starter" : "Team",
  }))
  const budgetEur = staff * (staff === 1 ? 15 : 50)
  return {
    order,
    slug,
    name,
    type,
    timezone,
    anchor_day: 1,
    status: "active",
    domain: `${slug}.cloudfreedom.example`,
    billing_plan: users[0].product.toLowerCase(),
    max_users: staff === 1 ? 5 : 25,
    services: { openwebui_port: 3001 + order },
    users,
    usage: { budgetEur, share, calls },
  }
}

/** Usage events between two times. The first half of the staff calls more than the rest. */
export function demoUsage({ slug, members, usage }, fromMs, toMs, period) {
  const { budgetEur, share, calls } = usage
  const count = period === "last" ? Math.floor(calls / 4) : calls
  const random = generator(`${slug}:${period}`)
  const targetEur = count === 0 ? 0 : (budgetEur * (period === "last" ? Math.min(share, 0.8) : share)) / count
  return Array.from({ length: count }, (_, i) => {
    const { model, provider, eurPerMillion } = pick(random)
    const eur = targetEur * (0.5 + random())
    const output = Math.max(1, Math.round(((eur * 0.4) / eurPerMillion[1]) * 1e6))
    const input = Math.max(1, Math.round(((eur * 0.6) / eurPerMillion[0]) * 1e6))
    const failed = random() < 0.02
    return {
      event_id: `demo-${slug}-${period}-${i}`,
      call_id: `demo-call-${slug}-${period}-${i}`,
      user_id: members[Math.floor(random() ** 1.3 * members.length)],
      model,
      provider,
      kind: "chat",
      tokens_input: failed ? 0 : input,
      tokens_output: failed ? 0 : output,
      status: failed ? "failure" : "success",
      timestamp: new Date(fromMs + ((toMs - fromMs) * (i + random())) / count).toISOString(),
      duration_ms: 300 + Math.round(random() * 4000),
    }
  })
}

function pick(random) {
  const total = MODELS.reduce((sum, model) => sum + model.weight, 0)
  let left = random() * total
  for (const model of MODELS) {
    left -= model.weight
    if (left < 0) return model
  }
  return MODELS[0]
}

/** mulberry32: small, seeded, good enough for demo data. */
function generator(text) {
  let state = 0
  for (const character of text) state = (Math.imul(state, 31) + character.charCodeAt(0)) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
