/** The host's require: the bundle's exports, by the name that main.pb.ts calls. */
declare const __hooks: string
/** As far as the code uses it. Encodings of the host's: utf8, hex, base64; it has no base64url. */
declare const Buffer: {
  from(text: string, encoding: "base64" | "utf8"): Uint8Array & { toString(encoding: "base64" | "utf8"): string }
}
declare function require(path: `${string}/app.js`): typeof import("../entry/app")
declare function require(path: `${string}/sign-in-page.js`): import("../pocketbase/sign-in-page").SignInPage
declare function require(path: `${string}/tenant-bundle.js`): typeof import("../entry/routes/post-tenant-bundle")
