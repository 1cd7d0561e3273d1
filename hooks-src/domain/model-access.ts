/** Which models somebody may use: lists of a product and of a key, both must allow. */

/** The lists as people write them: `"*"` and `"all"` mean every model, a trailing `*` every model that begins so. */
export type ModelList = readonly string[]

/** Anything that is no list of names (a field that was never filled, a broken import) allows nothing. */
export function readModelList(stored: unknown): string[] {
  if (!Array.isArray(stored)) return []
  const names = stored.filter((name): name is string => typeof name === "string" && name !== "")
  return names.some((name) => name === "*" || name === "all") ? ["*"] : names
}

/** @param names the names under which the model is known, e.g. with and without its provider in front */
export function allowsModel(list: ModelList, names: readonly string[]): boolean {
  return list.some((entry) => names.some((name) => matches(entry, name)))
}

function matches(entry: string, name: string): boolean {
  return entry.endsWith("*") ? name.startsWith(entry.slice(0, -1)) : entry === name
}

/** What both lists allow, for showing: of two overlapping entries the narrower one. */
export function intersectModels(product: ModelList, key: ModelList): string[] {
  const narrower = (list: ModelList, other: ModelList) =>
    list.filter((entry) =>
      other.some((wider) =>
        entry.endsWith("*") ? wider.endsWith("*") && matches(wider, entry.slice(0, -1)) : matches(wider, entry),
      ),
    )
  return [...new Set([...narrower(product, key), ...narrower(key, product)])]
}
