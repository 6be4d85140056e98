/**
 * Build of the page: index.html + assets/*, shipped inside the Python package.
 *
 * Ours are the codings of each file (name.br, name.gz), which the gateway sends as they
 * are; build.json, by which a test tells a stale build from a fresh one; and
 * assets/licenses.txt, which minified third-party code owes.
 */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig } from "vite";

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = join(HERE, "../src/vibecell/gateway/playground/dist");
/** What the build is made from; tests/unit/test_playground_build.py reads the same. */
const SOURCES = [".npmrc", "index.html", "package.json", "package-lock.json", "src", "tsconfig.json", "vite.config.js"];

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

function licences() {
  const lock = JSON.parse(readFileSync(join(HERE, "package-lock.json"), "utf8"));
  const shipped = Object.entries(lock.packages).filter(([path, info]) => path && !info.dev);
  return shipped
    .map(([path, info]) => {
      const folder = join(HERE, path);
      const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
      const text = file ? readFileSync(join(folder, file), "utf8").trim() : `License: ${info.license}`;
      return `${path.replace(/^node_modules\//, "")} ${info.version}\n\n${text}\n`;
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

function codeFiles() {
  for (const file of filesUnder(OUT)) {
    const bytes = readFileSync(file);
    if (bytes.length < LEAST_BYTES) continue;
    for (const [suffix, code] of Object.entries(CODINGS)) {
      const coded = code(bytes);
      if (coded.length < bytes.length * WORTH) writeFileSync(`${file}.${suffix}`, coded);
    }
  }
}

function recordBuild() {
  return {
    name: "record-build",
    generateBundle() {
      this.emitFile({ type: "asset", fileName: "assets/licenses.txt", source: licences() });
    },
    closeBundle() {
      codeFiles();
      const lines = Object.entries(listing(HERE, SOURCES)).map(([path, hash]) => `${path} ${hash}\n`);
      const built = listing(OUT, readdirSync(OUT).filter((name) => name !== "build.json"));
      const record = { sources_sha256: sha256(lines.join("")), files: built };
      writeFileSync(join(OUT, "build.json"), `${JSON.stringify(record, null, 2)}\n`);
    },
  };
}

/**
 * What is not ours lies in files of its own, whose names change with it alone: neither
 * browsers nor the repository get them again for a word that changed in the page.
 */
const LIBRARIES = {
  preload: /vite\/preload-helper/,
  "terminal-library": /node_modules\/@xterm\//,
  "editor-library": /node_modules\/(@codemirror\/(?!lang-|legacy)|@lezer\/(common|highlight|lr)|@marijn|style-mod|crelt|w3c-keyname)/,
  "shell-grammar": /node_modules\/@codemirror\/legacy-modes\//,
  "python-grammar": /node_modules\/(@codemirror\/lang-python|@lezer\/python)\//,
  "javascript-grammar": /node_modules\/(@codemirror\/lang-javascript|@lezer\/javascript)\//,
  "html-grammar": /node_modules\/(@codemirror\/lang-(html|css)|@lezer\/(html|css))\//,
};

export default defineConfig({
  root: HERE,
  base: "./",
  plugins: [recordBuild()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
    rolldownOptions: {
      output: { codeSplitting: { groups: Object.entries(LIBRARIES).map(([name, test], place) => ({ name, test, priority: 100 - place })) } },
    },
  },
});
