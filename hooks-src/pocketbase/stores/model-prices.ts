import type { PriceVersion } from "../../domain/pricing"
import { fromDbTime } from "../clock"
import { type Db, execute, selectJson } from "../db"

const AS_JSON = `json_object('id', id, 'model', model, 'provider', provider, 'version', version, 'kind', kind,
  'maxOutputTokens', max_output_tokens, 'effectiveFrom', effective_from, 'rates', json(rates))`

export const VERSIONS_OF_MODELS = `SELECT json_group_array(${AS_JSON}) AS j FROM model_prices
  WHERE model IN (SELECT value FROM json_each({:models}))`
/** The version in force of every model, for the dearest price of a provider. */
export const WHOLE_BOOK = `SELECT json_group_array(${AS_JSON}) AS j FROM model_prices AS m WHERE version =
  (SELECT max(p.version) FROM model_prices p WHERE p.model = m.model AND p.effective_from <= {:now})`

interface StoredPrice {
  id: string
  model: string
  provider: string
  version: number
  kind: string
  maxOutputTokens: number
  effectiveFrom: string
  rates: PriceVersion["rates"]
}

export type NumberedPrice = PriceVersion & Pick<StoredPrice, "version" | "kind" | "maxOutputTokens">

function toVersion(row: StoredPrice): NumberedPrice {
  return {
    id: row.id,
    model: row.model,
    provider: row.provider,
    version: row.version,
    kind: row.kind,
    maxOutputTokens: row.maxOutputTokens,
    effectiveFromMs: fromDbTime(row.effectiveFrom),
    rates: row.rates,
  }
}

export function versionsOfModels(db: Db, models: string[]): NumberedPrice[] {
  return selectJson<StoredPrice[]>(db, VERSIONS_OF_MODELS, { models: JSON.stringify(models) }).map(toVersion)
}

/** What this VM has read of the book. Sound because published prices never change: only a new row makes it old. */
const cache = { bookRow: -1, byName: new Map<string, NumberedPrice[]>() }
const CACHED_NAMES = 1_000

/** versionsOfModels for the hot path. @param bookRow newest row of the book, read in the same request */
export function cachedVersionsOfModels(db: Db, names: string[], bookRow: number): NumberedPrice[] {
  if (cache.bookRow !== bookRow || cache.byName.size > CACHED_NAMES) {
    cache.bookRow = bookRow
    cache.byName.clear()
  }
  const unread = names.filter((name) => !cache.byName.has(name))
  if (unread.length > 0) {
    // Read first: a failed read must not leave empty entries behind, which would quarantine models that have a price.
    const read = versionsOfModels(db, unread)
    for (const name of unread) {
      cache.byName.set(
        name,
        read.filter((version) => version.model === name),
      )
    }
  }
  return names.flatMap((name) => cache.byName.get(name) ?? [])
}

export function wholeBook(db: Db, now: string): NumberedPrice[] {
  return selectJson<StoredPrice[]>(db, WHOLE_BOOK, { now }).map(toVersion)
}

export interface NewPrice {
  id: string
  costId: string
  model: string
  provider: string
  kind: string
  version: number
  effectiveFrom: string
  rates: PriceVersion["rates"]
  usd: unknown
  maxInputTokens: number
  maxOutputTokens: number
  usdEurMicro: number
  usdEurDate: string
  markupBp: number
  source: string
  now: string
}

/** A sell price and the cost it was made from, in one step: each version knows its rate, FX date and markup. */
export function insertPrice(tx: Db, price: NewPrice): void {
  execute(
    tx,
    `INSERT INTO model_prices (id, model, provider, kind, version, effective_from, rates, max_input_tokens, max_output_tokens, created)
     VALUES ({:id}, {:model}, {:provider}, {:kind}, {:version}, {:effectiveFrom}, {:rates}, {:maxIn}, {:maxOut}, {:now})`,
    {
      id: price.id,
      model: price.model,
      provider: price.provider,
      kind: price.kind,
      version: price.version,
      effectiveFrom: price.effectiveFrom,
      rates: JSON.stringify(price.rates),
      maxIn: price.maxInputTokens,
      maxOut: price.maxOutputTokens,
      now: price.now,
    },
  )
  execute(
    tx,
    `INSERT INTO model_costs (id, price_id, model, usd, usd_eur_micro, usd_eur_date, markup_bp, source, created)
     VALUES ({:costId}, {:id}, {:model}, {:usd}, {:usdEurMicro}, {:usdEurDate}, {:markupBp}, {:source}, {:now})`,
    {
      costId: price.costId,
      id: price.id,
      model: price.model,
      usd: JSON.stringify(price.usd),
      usdEurMicro: price.usdEurMicro,
      usdEurDate: price.usdEurDate,
      markupBp: price.markupBp,
      source: price.source,
      now: price.now,
    },
  )
}

export interface PricingSettings {
  usdEurMicro: number
  usdEurDate: string
  markupBp: number
}

export function pricingSettings(db: Db): PricingSettings | null {
  return (
    selectJson<PricingSettings[]>(
      db,
      `SELECT json_group_array(json_object('usdEurMicro', usd_eur_micro, 'usdEurDate', usd_eur_date, 'markupBp', markup_bp)) AS j
       FROM platform_settings WHERE name = 'pricing'`,
    )[0] ?? null
  )
}
