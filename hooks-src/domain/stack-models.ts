/** Which models a tenant's stack offers, and which of them Open WebUI uses for what nobody chose. */
import { type OfferedModel, servableModels } from "./litellm-config"
import { allowsModel, type ModelList } from "./model-access"

export interface PricedModel extends OfferedModel {
  rates: { input?: number; output?: number }
}

export interface StackModels {
  offered: PricedModel[]
  /** Writes titles: the cheapest chat model that everybody may use; "" if there is none (then the chat's own model does it). */
  taskModel: string
  /** Indexes documents; "" if not everybody may use it (then documents are sent whole). */
  embeddingModel: string
}

/** Not the cheapest of the day: with another model the documents that are already indexed cannot be found any more. */
const EMBEDDING_MODEL = "text-embedding-3-small"

/**
 * @param book the prices in force
 * @param lists the model lists of the tenant's products, one per product version in use; none: the whole book
 * @param providers those whose keys the stack has
 */
export function chooseStackModels(
  book: readonly PricedModel[],
  lists: readonly ModelList[],
  providers: readonly string[],
): StackModels {
  const allowedBy = (entry: PricedModel) => lists.filter((list) => allowsModel(list, [entry.model, bareName(entry)])).length
  const offered = servableModels(book, providers).filter((entry) => lists.length === 0 || allowedBy(entry) > 0)
  const forEverybody = offered.filter((entry) => allowedBy(entry) === lists.length)
  const indexes = forEverybody.some((entry) => entry.model === EMBEDDING_MODEL)
  return { offered, taskModel: cheapestChat(forEverybody), embeddingModel: indexes ? EMBEDDING_MODEL : "" }
}

/** The book calls some models by "provider/name"; a product may list either. */
function bareName(entry: PricedModel): string {
  const prefix = `${entry.provider}/`
  return entry.model.startsWith(prefix) ? entry.model.slice(prefix.length) : entry.model
}

/** By the price of a million tokens in and a million out; without a token price a model is no bargain but unpriced. */
function cheapestChat(models: readonly PricedModel[]): string {
  const price = ({ rates }: PricedModel) => (rates.input ?? 0) + (rates.output ?? 0)
  const candidates = models.filter((entry) => entry.kind === "chat" && price(entry) > 0)
  return (
    candidates.reduce<PricedModel | null>((best, next) => (best && price(best) <= price(next) ? best : next), null)?.model ?? ""
  )
}
