import { defineConfig } from "vite";

// OVERWORLD is where `npm run dev` finds a running server; the built page asks the server it came from.
const server = process.env.OVERWORLD ?? "http://127.0.0.1:7400";

export default defineConfig({
  base: "./",
  build: {
    outDir: "../src/overworld/app/site_bundle",
    emptyOutDir: true,
    assetsDir: "site",
    assetsInlineLimit: 0,
    modulePreload: false,
    target: "es2022",
    license: { fileName: "licenses.md" },
    chunkSizeWarningLimit: 2000,
  },
  server: { proxy: { "/v1": server, "/graphql": server, "/docs": server } },
});
