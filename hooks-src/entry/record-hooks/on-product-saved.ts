import { eurFieldToNano } from "../../domain/money"
import { latestProductVersion } from "../../pocketbase/stores/seats"

const VERSIONED = [
  "name",
  "price",
  "currency",
  "budget_included",
  "models",
  "features",
  "rate_limit",
  "default_max_tokens",
  "max_parallel",
]

/** Every change of a product's terms makes an immutable version, in the same transaction; subscribers keep theirs. */
export function onProductSaved(e: core.RecordEvent): void {
  const product = e.record as core.Record
  const before = product.isNew() ? null : product.original()
  const changed = !before || VERSIONED.some((name) => JSON.stringify(before.get(name)) !== JSON.stringify(product.get(name)))
  // Two saves of one record may race: each writes only what it changed, so that neither undoes the other.
  if (!product.isNew()) product.ignoreUnchangedFields(true)
  const outer = e.app
  outer.runInTransaction((tx) => {
    e.app = tx
    e.next()
    if (changed) writeVersion(tx, product)
  })
  e.app = outer
}

function writeVersion(tx: core.App, product: core.Record): void {
  const version = new Record(tx.findCollectionByNameOrId("product_versions"))
  version.set("product_id", product.id)
  version.set("version", (latestProductVersion(tx, product.id)?.version ?? 0) + 1)
  for (const name of ["name", "currency", "models", "features", "rate_limit", "default_max_tokens", "max_parallel"])
    version.set(name, product.get(name))
  version.set("price_cents", eurFieldToNano(product.getFloat("price")) / 10_000_000)
  version.set("budget_included_nano", eurFieldToNano(product.getFloat("budget_included")))
  tx.save(version)
}
