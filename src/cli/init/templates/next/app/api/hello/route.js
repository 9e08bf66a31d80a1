import { protect } from "../../../lib/api.js";

export const GET = protect((request, claims) => Response.json({ hello: claims.sub }));
