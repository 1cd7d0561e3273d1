import { ApiProblem } from "../contract/error-codes"
import type { PriceEntry } from "../contract/requests"
import { sellRateNano } from "../domain/money"
import type { Rates, TokenRates } from "../domain/pricing"
import type { Caller } from "../pocketbase/auth"
import { dbTime, nowMs } from "../pocketbase/clock"
import { type Db, newId, transaction } from "../pocketbase/db"
import { insertAudit } from "../pocketbase/stores/audit-log"
import {
  insertPrice,
  type NumberedPrice,
  type PricingSettings,
  pricingSettings,
  versionsOfModels,
} from "../pocketbase/stores/model-prices"
import { repriceQuarantined } from "./reprice-quarantined"

export interface PriceChange {
  model: string
  provider: string
  status: "new" | "changed" | "unchanged"
  before: Rates | null
  after: Rates
}

export interface PublishedPrices {
  dry_run: boolean
  changes: PriceChange[]
  published: number
  repriced: number
}

export interface PublishRequest {
  entries: PriceEntry[]
  source: string
  effectiveFromMs: number | null
  dryRun: boolean
}

/** The first version of a model is in force since ever: a call may have started before its price was entered. */
const SINCE_EVER = "2000-01-01 00:00:00.000Z"

/** Publishes new versions of what changed, and settles quarantined usage of those models in the same transaction. */
export function publishPrices(caller: Caller, request: PublishRequest): PublishedPrices {
  const settings = pricingSettings($app)
  if (!settings)
    throw new ApiProblem("conflict", "platform_settings has no pricing row: enter the USD/EUR rate and the markup first")
  refuseTwice(request.entries)
  return transaction((tx) => {
    const now = nowMs()
    const versions = versionsOfModels(
      tx,
      request.entries.map((entry) => entry.model),
    )
    const planned = request.entries.map((entry) => planChange(entry, versions, settings))
    const changes = planned.map((plan) => plan.change)
    if (request.dryRun) return { dry_run: true, changes, published: 0, repriced: 0 }
    const toPublish = planned.filter((plan) => plan.change.status !== "unchanged")
    for (const plan of toPublish) publishVersion(tx, plan, settings, request, now)
    const after = {
      models: toPublish.map((plan) => plan.entry.model),
      usd_eur_micro: settings.usdEurMicro,
      markup_bp: settings.markupBp,
    }
    insertAudit(
      tx,
      {
        tenantId: "",
        actor: caller.actor,
        action: "prices.publish",
        target: "model_prices",
        before: null,
        after,
        reason: request.source,
      },
      dbTime(now),
      now,
    )
    const repriced = repriceQuarantined(
      tx,
      request.entries.map((entry) => entry.model),
      now,
    )
    return { dry_run: false, changes, published: toPublish.length, repriced }
  })
}

type PlannedPrice = ReturnType<typeof planChange>

function publishVersion(tx: Db, plan: PlannedPrice, settings: PricingSettings, request: PublishRequest, now: number): void {
  const { entry, version, change } = plan
  const first = version === 1 && request.effectiveFromMs === null
  insertPrice(tx, {
    ...settings,
    id: newId(now),
    costId: newId(now),
    model: entry.model,
    provider: entry.provider,
    kind: entry.kind,
    version,
    effectiveFrom: first ? SINCE_EVER : dbTime(request.effectiveFromMs ?? now),
    rates: change.after,
    usd: entry.usd,
    maxInputTokens: entry.max_input_tokens,
    maxOutputTokens: entry.max_output_tokens,
    source: request.source,
    now: dbTime(now),
  })
}

function refuseTwice(entries: PriceEntry[]): void {
  const seen = new Set<string>()
  for (const [i, entry] of entries.entries()) {
    if (seen.has(entry.model))
      throw new ApiProblem("invalid_field", `entries.${i}.model: ${entry.model} is listed twice`, { path: `entries.${i}.model` })
    seen.add(entry.model)
  }
}

function planChange(entry: PriceEntry, versions: NumberedPrice[], settings: PricingSettings) {
  const newest = versions.filter((version) => version.model === entry.model).sort((a, b) => b.version - a.version)[0]
  const after = sellRates(entry, settings)
  const status: PriceChange["status"] = !newest
    ? "new"
    : JSON.stringify(newest.rates) === JSON.stringify(after) && newest.provider === entry.provider
      ? "unchanged"
      : "changed"
  const change: PriceChange = { model: entry.model, provider: entry.provider, status, before: newest?.rates ?? null, after }
  return { entry, change, version: (newest?.version ?? 0) + 1 }
}

const TOKEN_CLASSES = ["input", "cache_read", "cache_write", "cache_write_1h", "output"] as const
const UNITS = ["image", "second", "mchar", "call"] as const

function sellRates(entry: PriceEntry, settings: PricingSettings): Rates {
  const sell = (usd: string): number => {
    const nano = sellRateNano(usd, settings.usdEurMicro, settings.markupBp)
    if (nano === null) throw new ApiProblem("invalid_field", `${entry.model}: ${usd} is not a price`, { path: "usd" })
    return nano
  }
  const pick = <K extends string>(from: Partial<Record<K, string | undefined>>, names: readonly K[]) => {
    const rates: Partial<Record<K, number>> = {}
    for (const key of names) {
      const usd = from[key]
      if (usd !== undefined) rates[key] = sell(usd)
    }
    return rates
  }
  const rates: Rates = { ...pick(entry.usd, TOKEN_CLASSES), ...pick(entry.usd, UNITS) }
  if (Object.keys(rates).length === 0)
    throw new ApiProblem("invalid_field", `${entry.model}: usd must hold at least one price`, { path: "usd" })
  const tiers = entry.usd.long_context?.map((tier) => ({
    above_tokens: tier.above_tokens,
    ...(pick(tier, TOKEN_CLASSES) as TokenRates),
  }))
  return tiers && tiers.length > 0 ? { ...rates, long_context: tiers } : rates
}
