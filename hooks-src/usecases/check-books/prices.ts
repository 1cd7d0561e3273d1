/** PRICE: what a row says it cost, against its own counts and the version of the price book that it pins. */
import { hasCounts, modelNames, type PriceVersion, priceCounts, type UsageCounts } from "../../domain/pricing"
import { selectJson } from "../../pocketbase/db"
import { type BrokenRows, brokenRows, type Check, type Finding, findingOf, SHOWN_ROWS } from "./run-checks"

/** 5,000 rows are about 2 MB of JSON: a folder of any size is checked in the same memory. */
const PAGE = 5_000

interface PricedRow {
  rowid: number
  name: string
  model: string
  provider: string
  priceId: string
  priceStatus: string
  status: string
  cacheHit: 0 | 1
  /** Text: damage may have left more than 2^53 there. Of a correction: together with the row it corrects. */
  cost: string
  counts: UsageCounts
}

interface BookEntry {
  model: string
  rates: PriceVersion["rates"]
}

/** A correction is recomputed from the counts of the row it corrects; what a quarantined row was booked at is a guess. */
const PRICED_PAGE = `SELECT json_group_array(json_object('rowid', rowid, 'name', 'tenant ' || tenant_id || ' event ' || event_id,
  'model', model, 'provider', provider, 'priceId', price_id, 'priceStatus', price_status, 'status', status, 'cacheHit', cache_hit,
  'cost', cost, 'counts', json_object('uncached', uncached, 'cacheRead', cache_read, 'cacheWrite', cache_write,
    'cacheWrite1h', cache_write_1h, 'output', output, 'images', images, 'audioMs', audio_ms, 'characters', characters))) AS j
  FROM (SELECT u.rowid, u.tenant_id, u.event_id, u.model, u.provider, u.price_id, u.price_status, u.status, u.cache_hit,
    CAST(u.cost_nano + coalesce(o.cost_nano, 0) AS TEXT) AS cost, coalesce(o.tokens_uncached, u.tokens_uncached) AS uncached,
    coalesce(o.tokens_cache_read, u.tokens_cache_read) AS cache_read, coalesce(o.tokens_cache_write, u.tokens_cache_write) AS cache_write,
    coalesce(o.tokens_cache_write_1h, u.tokens_cache_write_1h) AS cache_write_1h, coalesce(o.tokens_output, u.tokens_output) AS output,
    coalesce(o.images, u.images) AS images, coalesce(o.audio_ms, u.audio_ms) AS audio_ms, coalesce(o.characters, u.characters) AS characters
    FROM usage_logs u LEFT JOIN usage_logs o ON u.corrects != '' AND o.tenant_id = u.tenant_id AND o.event_id = u.corrects
    WHERE u.rowid > {:after} AND u.price_status != 'quarantined' ORDER BY u.rowid LIMIT ${PAGE})`

const BOOK = "SELECT json_group_object(id, json_object('model', model, 'rates', json(rates))) AS j FROM model_prices"

const ROW_ARITHMETIC: Check = {
  sql: `SELECT 'tenant ' || tenant_id || ' event ' || event_id || ': '
      || CASE WHEN total_tokens != tokens_input + tokens_output THEN 'total_tokens ' || total_tokens || ', input ' || tokens_input
          || ' + output ' || tokens_output
        WHEN typeof(cost_nano) != 'integer' THEN 'cost_nano ' || cost_nano || ' is no integer'
        WHEN cost_total IS NOT cost_nano / 1e9 THEN 'cost_total ' || cost_total || ', cost_nano ' || cost_nano
        WHEN cost_nano < 0 THEN 'cost_nano ' || cost_nano || ' is negative on a row that corrects nothing'
        WHEN price_status NOT IN ('priced', 'estimated', 'quarantined', 'corrected') THEN 'price_status is ' || price_status
        ELSE 'classes ' || tokens_uncached || ' + ' || tokens_cache_read || ' + ' || tokens_cache_write || ' + ' || tokens_cache_write_1h
          || ' are not tokens_input ' || tokens_input END AS line
    FROM usage_logs WHERE total_tokens != tokens_input + tokens_output OR typeof(cost_nano) != 'integer'
      OR cost_total IS NOT cost_nano / 1e9 OR (cost_nano < 0 AND corrects = '')
      OR price_status NOT IN ('priced', 'estimated', 'quarantined', 'corrected')
      OR tokens_uncached + tokens_cache_read + tokens_cache_write + tokens_cache_write_1h != tokens_input`,
}

export function checkPrices(): Finding {
  try {
    const found = brokenRows(ROW_ARITHMETIC)
    const checked = recomputeAll(found)
    return findingOf("PRICE", `${checked} rows cost what their counts and their price version say`, found)
  } catch (error) {
    return { id: "PRICE", outcome: "unchecked", summary: "could not be checked", rows: [String(error)] }
  }
}

/** Adds what is wrong to `found`; answers how many rows were recomputed. */
function recomputeAll(found: BrokenRows): number {
  const book = selectJson<Record<string, BookEntry>>($app, BOOK)
  let checked = 0
  let after = 0
  for (;;) {
    const page = selectJson<PricedRow[]>($app, PRICED_PAGE, { after })
    for (const row of page) {
      const wrong = wrongPrice(row, book)
      if (wrong === null) continue
      found.count += 1
      if (found.rows.length < SHOWN_ROWS) found.rows.push(`${row.name}: ${wrong}`)
    }
    checked += page.length
    const last = page[page.length - 1]
    if (!last || page.length < PAGE) return checked
    after = last.rowid
  }
}

/** What is wrong with the price of a row, or null. */
function wrongPrice(row: PricedRow, book: Record<string, BookEntry>): string | null {
  if (row.priceId === "") {
    if (row.cost !== "0") return `cost_nano ${row.cost} without a price`
    const free = row.cacheHit === 1 || (row.status === "failure" && !hasCounts(row.counts))
    return free ? null : "free, but neither served from the cache nor a failure without usage"
  }
  const version = book[row.priceId]
  if (!version) return `price ${row.priceId} does not exist`
  if (!modelNames(row.model, row.provider).includes(version.model))
    return `model ${row.model} at price ${row.priceId} of ${version.model}`
  try {
    const bill = priceCounts(row.counts, version.rates)
    if ("missing" in bill) return `price ${row.priceId} has no rate for ${bill.missing}`
    if (String(bill.costNano) === row.cost) return null
    const together = row.priceStatus === "corrected" ? " together with what it corrects" : ""
    return `cost_nano ${row.cost}${together}, price ${row.priceId} makes it ${bill.costNano}`
  } catch (error) {
    return `cannot be recomputed: ${error}`
  }
}
