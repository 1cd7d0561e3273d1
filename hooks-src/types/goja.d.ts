/** The host's require: the bundle's exports, by the name that main.pb.ts calls. */
declare const __hooks: string
declare function require(path: `${string}/app.js`): typeof import("../entry/app")
