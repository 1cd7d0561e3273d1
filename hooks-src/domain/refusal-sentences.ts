/**
 * What a person or a program reads who is refused: every sentence, in both languages. The chat shows them as they are, so
 * each says what happened, with which numbers, when it ends and who can help.
 */
import { nanoToEur } from "./money"

export type Language = "de" | "en"

interface Model {
  model: string
}
/** How many calls, and how many are allowed. */
interface Calls {
  count: number
  limit: number
}
interface Money {
  usedNano: number
  totalNano: number
  heldNano: number
  neededNano: number
  /** The tenant's calendar date, YYYY-MM-DD. */
  resetsOn: string
}

/** Each case, and what its sentence names. */
export interface SentenceValues {
  unknownUser: object
  unknownKey: object
  tenantSuspended: object
  userSuspended: object
  keyRevoked: object
  keyExpired: object
  noProduct: object
  modelNotInProduct: Model
  modelNotOfKey: Model
  modelBlocked: Model & { reason: string }
  modelUnpriced: Model
  kindUnpriced: Model
  outputUnpriced: Model
  tooManyCalls: Calls & { seconds: number }
  tooManyRunning: Calls
  tooManyRunningOfKey: Calls
  tenantBudget: Money
  userLimit: Money
  keyLimit: Money
}
export type SentenceName = keyof SentenceValues

/** With an API key a program asks, and reads English; without one a person asks in the chat. A tenant without a language is German. */
export function languageOf(tenantLanguage: string | undefined, withKey: boolean): Language {
  return withKey || tenantLanguage === "en" ? "en" : "de"
}

const ASK = { de: "Bitte wenden Sie sich an Ihre Verwaltung.", en: "Please ask your administrator." }
const OTHER_MODEL = {
  de: "Bitte wählen Sie ein anderes Modell; freigeben kann es nur der Betreiber.",
  en: "Please choose another model; only the operator can release this one.",
}

/** Amounts have four places: what there is is cut off; what is reserved or needed is rounded up, or it could read as nothing. */
const SHOWN_NANO = 100_000
const cutOff = (nano: number) => nano - (nano % SHOWN_NANO)
const roundedUp = (nano: number) => cutOff(nano + SHOWN_NANO - 1)
/** At least the cents, and no zeros after them. */
const english = (nano: number) => nanoToEur(nano).replace(/(\.\d\d\d*?)0+$/, "$1")
const eur = { de: (nano: number) => english(nano).replace(".", ","), en: english }
const date = { de: (iso: string) => iso.split("-").reverse().join("."), en: (iso: string) => iso }

/** "12.50 of 15.00 EUR used …" up to when it resets; between them stands who can help. */
const MONEY: Record<Language, (money: Money, help: string) => string> = {
  de: ({ usedNano, totalNano, heldNano, neededNano, resetsOn }, help) => {
    const held = heldNano > 0 ? `, ${eur.de(roundedUp(heldNano))} EUR für laufende Aufrufe reserviert` : ""
    return (
      `${eur.de(cutOff(usedNano))} von ${eur.de(cutOff(totalNano))} EUR verbraucht${held}; der Aufruf braucht mindestens ` +
      `${eur.de(roundedUp(neededNano))} EUR. ${help} Am ${date.de(resetsOn)} wird es zurückgesetzt.`
    )
  },
  en: ({ usedNano, totalNano, heldNano, neededNano, resetsOn }, help) => {
    const held = heldNano > 0 ? `, ${eur.en(roundedUp(heldNano))} EUR reserved for calls that are running` : ""
    return (
      `${eur.en(cutOff(usedNano))} of ${eur.en(cutOff(totalNano))} EUR used${held}; the call needs at least ` +
      `${eur.en(roundedUp(neededNano))} EUR. ${help} It resets on ${date.en(resetsOn)}.`
    )
  },
}
const RAISE = { de: "Ihre Verwaltung kann es erhöhen.", en: "Your administrator can raise it." }

export const SENTENCES: { [Name in SentenceName]: Record<Language, (values: SentenceValues[Name]) => string> } = {
  unknownUser: {
    de: () => `Dieses Konto ist hier nicht bekannt. ${ASK.de}`,
    en: () => `This user is not known here. ${ASK.en}`,
  },
  unknownKey: {
    de: () => "Dieser API-Schlüssel ist hier nicht bekannt. Bitte prüfen Sie ihn, oder legen Sie einen neuen an.",
    en: () => "This API key is not known here. Please check it, or create a new one.",
  },
  tenantSuspended: {
    de: () => `Der Zugang Ihrer Firma ist gesperrt. ${ASK.de}`,
    en: () => `Your company's access is suspended. ${ASK.en}`,
  },
  userSuspended: {
    de: () => `Ihr Konto ist nicht aktiv. ${ASK.de}`,
    en: () => `Your account is not active. ${ASK.en}`,
  },
  keyRevoked: {
    de: () => "Dieser API-Schlüssel wurde widerrufen. Bitte legen Sie einen neuen an.",
    en: () => "This API key was revoked. Create a new one.",
  },
  keyExpired: {
    de: () => "Dieser API-Schlüssel ist abgelaufen. Bitte legen Sie einen neuen an.",
    en: () => "This API key has expired. Create a new one.",
  },
  noProduct: {
    de: () => `Ihr Konto hat noch kein Produkt. ${ASK.de}`,
    en: () => `Your account has no product yet. ${ASK.en}`,
  },
  modelNotInProduct: {
    de: ({ model }) => `Das Modell ${model} gehört nicht zu Ihrem Produkt. ${ASK.de}`,
    en: ({ model }) => `The model ${model} is not part of your product. ${ASK.en}`,
  },
  modelNotOfKey: {
    de: ({ model }) =>
      `Dieser API-Schlüssel darf das Modell ${model} nicht verwenden. Sie oder Ihre Verwaltung können das ändern.`,
    en: ({ model }) => `This API key may not use the model ${model}. You or your administrator can change that.`,
  },
  // The reason is the book's own, in English and for those who keep prices: a person in the chat is not helped by it.
  modelBlocked: {
    de: ({ model }) => `Das Modell ${model} ist gesperrt, bis sein Preis feststeht. ${OTHER_MODEL.de}`,
    en: ({ model, reason }) => `The model ${model} is blocked until its price is known: ${reason}. ${OTHER_MODEL.en}`,
  },
  modelUnpriced: {
    de: ({ model }) => `Das Modell ${model} hat hier keinen Preis und kann nicht verwendet werden. ${OTHER_MODEL.de}`,
    en: ({ model }) => `The model ${model} has no price here and cannot be used. ${OTHER_MODEL.en}`,
  },
  kindUnpriced: {
    de: ({ model }) => `Das Modell ${model} hat keinen Preis für diese Art von Aufruf. ${OTHER_MODEL.de}`,
    en: ({ model }) => `The model ${model} has no price for this kind of call. ${OTHER_MODEL.en}`,
  },
  outputUnpriced: {
    de: ({ model }) => `Das Modell ${model} hat keinen Preis für Antworten. ${OTHER_MODEL.de}`,
    en: ({ model }) => `The model ${model} has no price for output. ${OTHER_MODEL.en}`,
  },
  tooManyCalls: {
    de: ({ count, limit, seconds }) =>
      `Aufrufe in der letzten Minute: ${count}; Ihr Produkt erlaubt ${limit}. Bitte versuchen Sie es in ${seconds} s noch einmal.`,
    en: ({ count, limit, seconds }) =>
      `Calls within the last minute: ${count}; your product allows ${limit}. Please try again in ${seconds} s.`,
  },
  tooManyRunning: {
    de: ({ count, limit }) =>
      `Laufende Aufrufe: ${count}; Ihr Produkt erlaubt ${limit} gleichzeitig. Bitte warten Sie, bis einer davon beendet ist.`,
    en: ({ count, limit }) =>
      `Calls running: ${count}; your product allows ${limit} at a time. Please wait until one of them has ended.`,
  },
  tooManyRunningOfKey: {
    de: ({ count, limit }) =>
      `Laufende Aufrufe: ${count}; dieser API-Schlüssel erlaubt ${limit} gleichzeitig. Bitte warten Sie, bis einer davon beendet ist.`,
    en: ({ count, limit }) =>
      `Calls running: ${count}; this API key allows ${limit} at a time. Please wait until one of them has ended.`,
  },
  tenantBudget: {
    de: (money) => `Das Budget Ihrer Firma reicht für diesen Aufruf nicht: ${MONEY.de(money, RAISE.de)}`,
    en: (money) => `Your company's budget cannot pay for this call: ${MONEY.en(money, RAISE.en)}`,
  },
  userLimit: {
    de: (money) => `Ihr persönliches Limit reicht für diesen Aufruf nicht: ${MONEY.de(money, RAISE.de)}`,
    en: (money) => `Your personal limit cannot pay for this call: ${MONEY.en(money, RAISE.en)}`,
  },
  keyLimit: {
    de: (money) =>
      `Das Limit dieses API-Schlüssels reicht für diesen Aufruf nicht: ${MONEY.de(money, "Sie oder Ihre Verwaltung können es erhöhen.")}`,
    en: (money) =>
      `The limit of this API key cannot pay for this call: ${MONEY.en(money, "You or your administrator can raise it.")}`,
  },
}

export function sentence<Name extends SentenceName>(language: Language, name: Name, values: SentenceValues[Name]): string {
  return SENTENCES[name][language](values)
}
