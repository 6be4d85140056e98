/**
 * Build of the two pages, each by itself, so that neither waits for what is the other's: of "/"
 * (index.html, assets/*) and, with `--mode documentation`, of "/docs" (docs.html, docs/*). Both are
 * shipped inside the Python package.
 *
 * Ours are the codings of each file (name.br, name.gz), which the gateway sends as they
 * are; build.json, by which a test tells a stale build from a fresh one; and
 * licenses.txt, which minified third-party code owes.
 */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig } from "vite";

const HERE = dirname(fileURLToPath(import.meta.url));
/** Of each page, by the mode it is built in: its entry, its folders, and which packages it holds. */
const OF_DOCUMENTATION = ["swagger-ui-dist", "@scarf/scarf"]; // the latter is no code, and is not built in
const PAGES = {
  production: { entry: "index.html", folder: "assets", out: "playground", holds: (name) => !OF_DOCUMENTATION.includes(name) },
  documentation: {
    entry: "docs.html",
    folder: "docs",
    out: "documentation",
    holds: (name) => ["swagger-ui-dist", "@fontsource-variable/instrument-sans"].includes(name),
  },
};
/** What the build is made from; tests/unit/test_playground_build.py reads the same. */
const SOURCES = [".npmrc", "docs.html", "index.html", "package.json", "package-lock.json", "src", "tsconfig.json", "vite.config.js"];

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const posix = (root, path) => relative(root, path).split(sep).join("/");
const byCodePoint = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

function filesUnder(path) {
  let entries;
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if (error.code === "ENOTDIR") return [path];
    throw error;
  }
  return entries.flatMap((entry) => filesUnder(join(path, entry.name)));
}

function listing(root, paths) {
  const files = paths.flatMap((path) => filesUnder(join(root, path)));
  return Object.fromEntries(
    files
      .map((file) => [posix(root, file), sha256(readFileSync(file))])
      .sort(([a], [b]) => byCodePoint(a, b)),
  );
}

/** Its own, and of what was built into it before it came here. */
const LICENCE = /^(licen[cs]e|notice|swagger-ui-es-bundle\.js\.license)/i;

function licences(page) {
  const lock = JSON.parse(readFileSync(join(HERE, "package-lock.json"), "utf8"));
  const shipped = Object.entries(lock.packages).map(([path, info]) => [path, path.replace(/^node_modules\//, ""), info]);
  return shipped
    .filter(([path, name, info]) => path && !info.dev && page.holds(name))
    .map(([path, name, info]) => {
      const folder = join(HERE, path);
      const files = readdirSync(folder).filter((file) => LICENCE.test(file)).sort(byCodePoint);
      const texts = files.map((file) => readFileSync(join(folder, file), "utf8").trim());
      return `${name} ${info.version}\n\n${texts.join("\n\n") || `License: ${info.license}`}\n`;
    })
    .join(`\n${"-".repeat(78)}\n\n`);
}

/** Smaller files, and codings that save less, are not worth a file: a response fits one packet, or is not smaller. */
const LEAST_BYTES = 1024;
const WORTH = 0.9;

const CODINGS = {
  br: (bytes) =>
    brotliCompressSync(bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    }),
  gz: (bytes) => gzipSync(bytes, { level: 9 }),
};

function codeFiles(out) {
  for (const file of filesUnder(out)) {
    const bytes = readFileSync(file);
    if (bytes.length < LEAST_BYTES) continue;
    for (const [suffix, code] of Object.entries(CODINGS)) {
      const coded = code(bytes);
      if (coded.length < bytes.length * WORTH) writeFileSync(`${file}.${suffix}`, coded);
    }
  }
}

function recordBuild(page, out) {
  return {
    name: "record-build",
    generateBundle() {
      this.emitFile({ type: "asset", fileName: `${page.folder}/licenses.txt`, source: licences(page) });
    },
    closeBundle() {
      codeFiles(out);
      const lines = Object.entries(listing(HERE, SOURCES)).map(([path, hash]) => `${path} ${hash}\n`);
      const built = listing(out, readdirSync(out).filter((name) => name !== "build.json"));
      const record = { sources_sha256: sha256(lines.join("")), files: built };
      writeFileSync(join(out, "build.json"), `${JSON.stringify(record, null, 2)}\n`);
    },
  };
}

/**
 * What is not ours lies in files of its own, whose names change with it alone: neither
 * browsers nor the repository get them again for a word that changed in the page.
 */
const LIBRARIES = {
  preload: /vite\/preload-helper/,
  "swagger-library": /node_modules\/swagger-ui-dist\//,
  "terminal-library": /node_modules\/@xterm\//,
  "editor-library": /node_modules\/(@codemirror\/(?!lang-|legacy)|@lezer\/(common|highlight|lr)|@marijn|style-mod|crelt|w3c-keyname)/,
  "shell-grammar": /node_modules\/@codemirror\/legacy-modes\//,
  "python-grammar": /node_modules\/(@codemirror\/lang-python|@lezer\/python)\//,
  "javascript-grammar": /node_modules\/(@codemirror\/lang-javascript|@lezer\/javascript)\//,
  "html-grammar": /node_modules\/(@codemirror\/lang-(html|css)|@lezer\/(html|css))\//,
};

export default defineConfig(({ mode }) => {
  const page = PAGES[mode];
  const out = join(HERE, "../src/vibecell/gateway", page.out, "dist");
  return {
    root: HERE,
    base: "./",
    plugins: [recordBuild(page, out)],
    build: {
      outDir: out,
      assetsDir: page.folder,
      emptyOutDir: true,
      target: "es2022",
      sourcemap: false,
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      chunkSizeWarningLimit: mode === "documentation" ? 2000 : 600,
      rolldownOptions: {
        input: join(HERE, page.entry),
        output: { codeSplitting: { groups: Object.entries(LIBRARIES).map(([name, test], place) => ({ name, test, priority: 100 - place })) } },
      },
    },
  };
});
