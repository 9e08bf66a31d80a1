import { defineConfig } from "vite";
import { api } from "./api.js";

export default defineConfig({
  // What the browser is told. There is no secret among them.
  envPrefix: ["ISSUER", "CLIENT_ID", "AUDIENCE"],
  plugins: [{ name: "api", configureServer: ({ middlewares }) => void middlewares.use("/api", api) }],
});
