import { readdirSync } from "node:fs";

import { defineConfig } from "vite";

/** Node 20 reads no TypeScript: the tests are built as the page is, and run by Node's own runner. */
export default defineConfig({
  build: {
    ssr: true,
    outDir: ".tests",
    rolldownOptions: { input: readdirSync("test").filter((name) => name.endsWith(".test.ts")).map((name) => `test/${name}`) },
  },
});
