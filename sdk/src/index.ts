export { createClient } from "./client.js";
export { HeirloomError } from "./error.js";
export type { ErrorDetails } from "./error.js";
export type * from "./types.js";
