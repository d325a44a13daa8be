// Builds the page into dist/: hashed files under assets/, text also as .gz, so that the server never has to compress.
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { defineConfig } from "vite";

const TEXT = /\.(js|css|svg)$/;

function gzipVariants() {
  return {
    name: "gzip-variants",
    async writeBundle({ dir }) {
      const files = await readdir(join(dir, "assets"));
      for (const file of files.filter((name) => TEXT.test(name))) {
        const path = join(dir, "assets", file);
        await writeFile(`${path}.gz`, gzipSync(await readFile(path), { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  base: "/graphiql/",
  plugins: [gzipVariants()],
  worker: { format: "es" },
  build: {
    // The page's policy names no data: source for scripts and styles, so nothing is inlined.
    assetsInlineLimit: 0,
    // Monaco is one chunk of 2 MB by nature.
    chunkSizeWarningLimit: 2500,
    rolldownOptions: {
      onLog(level, log, report) {
        // GraphiQL's "use no memo" speaks to a compiler that has already run over it.
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") report(level, log);
      },
    },
  },
});
