/** Every sentence of the page, in both languages. {tenant} is the name of the tenant. */

const de = {
  title: "Anmelden",
  heading: "Bei {tenant} anmelden",
  lead: "Mit Ihrem Konto weiter zum KI-Chat.",
  continueLead: "Sie sind schon angemeldet. Mit diesem Konto weiter zum KI-Chat?",
  continueAs: "Weiter als {name}",
  otherAccount: "Anderes Konto verwenden",
  email: "E-Mail-Adresse",
  password: "Passwort",
  showPassword: "Anzeigen",
  showPasswordLabel: "Passwort anzeigen",
  submit: "Anmelden",
  busy: "Einen Moment …",
  loading: "Einen Moment …",
  forgot: "Passwort vergessen?",
  resetHeading: "Passwort zurücksetzen",
  resetLead: "Wir senden Ihnen einen Link, mit dem Sie ein neues Passwort wählen.",
  resetSubmit: "Link senden",
  resetDone: "Wenn es zu dieser Adresse ein Konto gibt, ist eine E-Mail mit dem Link unterwegs.",
  backToSignIn: "Zurück zur Anmeldung",
  back: "Chat öffnen",
  resend: "Bestätigungs-E-Mail erneut senden",
  resent: "Wenn die Adresse noch zu bestätigen ist, ist eine E-Mail unterwegs.",
  needEmail: "Bitte geben Sie Ihre E-Mail-Adresse ein.",
  needPassword: "Bitte geben Sie Ihr Passwort ein.",
  wrong_password: "E-Mail-Adresse oder Passwort stimmt nicht.",
  too_many: "Zu viele Versuche. Bitte warten Sie eine Minute.",
  session_expired: "Ihre Anmeldung ist abgelaufen. Bitte melden Sie sich noch einmal an.",
  not_a_member: "Dieses Konto gehört nicht zu {tenant}. Verwenden Sie ein anderes, oder wenden Sie sich an Ihre Verwaltung.",
  user_suspended: "Dieses Konto ist nicht freigeschaltet oder gesperrt. Bitte wenden Sie sich an Ihre Verwaltung.",
  email_unverified: "Ihre E-Mail-Adresse ist noch nicht bestätigt. Öffnen Sie den Link in unserer E-Mail.",
  address_reserved: "Diese Adresse gehört der technischen Verwaltung des Chats und kann sich hier nicht anmelden.",
  unavailable: "Die Anmeldung ist gerade nicht erreichbar. Bitte versuchen Sie es gleich noch einmal.",
  problemHeading: "Anmelden nicht möglich",
  bad_request:
    "Dieser Anmelde-Link ist unvollständig, abgelaufen oder gehört nicht zu diesem Chat. Öffnen Sie den Chat, und beginnen Sie von dort neu.",
  tenant_suspended: "{tenant} ist zurzeit nicht aktiv. Bitte wenden Sie sich an Ihre Verwaltung.",
  unknown_chat: "Diesen Chat gibt es nicht. Bitte prüfen Sie die Adresse.",
}

export type TextKey = keyof typeof de

const en: Record<TextKey, string> = {
  title: "Sign in",
  heading: "Sign in to {tenant}",
  lead: "Use your account to go on to the AI chat.",
  continueLead: "You are signed in already. Go on to the AI chat with this account?",
  continueAs: "Continue as {name}",
  otherAccount: "Use another account",
  email: "E-mail address",
  password: "Password",
  showPassword: "Show",
  showPasswordLabel: "Show password",
  submit: "Sign in",
  busy: "One moment …",
  loading: "One moment …",
  forgot: "Forgot your password?",
  resetHeading: "Reset your password",
  resetLead: "We send you a link that lets you choose a new password.",
  resetSubmit: "Send link",
  resetDone: "If there is an account with this address, an e-mail with the link is on its way.",
  backToSignIn: "Back to sign-in",
  back: "Open the chat",
  resend: "Send the confirmation e-mail again",
  resent: "If the address still has to be confirmed, an e-mail is on its way.",
  needEmail: "Please enter your e-mail address.",
  needPassword: "Please enter your password.",
  wrong_password: "The e-mail address or the password is wrong.",
  too_many: "Too many attempts. Please wait a minute.",
  session_expired: "Your sign-in has expired. Please sign in again.",
  not_a_member: "This account does not belong to {tenant}. Use another one, or ask your administrator.",
  user_suspended: "This account is not active yet or is suspended. Please ask your administrator.",
  email_unverified: "Your e-mail address is not confirmed yet. Open the link in our e-mail.",
  address_reserved: "This address belongs to the technical administration of the chat and cannot sign in here.",
  unavailable: "Signing in does not work right now. Please try again in a moment.",
  problemHeading: "You cannot sign in here",
  bad_request:
    "This sign-in link is incomplete, has expired or does not belong to this chat. Open the chat and start again from there.",
  tenant_suspended: "{tenant} is not active at the moment. Please ask your administrator.",
  unknown_chat: "There is no such chat. Please check the address.",
}

export const TEXTS = { de, en }

export function isTextKey(key: string): key is TextKey {
  return Object.hasOwn(de, key)
}
