/**
 * Build of the page: index.html + assets/*, shipped inside the Python package.
 *
 * Two outputs are ours: build.json, by which a test tells a stale build from a
 * fresh one, and assets/licenses.txt, which minified third-party code owes.
 */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
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

function recordBuild() {
  return {
    name: "record-build",
    generateBundle() {
      this.emitFile({ type: "asset", fileName: "assets/licenses.txt", source: licences() });
    },
    closeBundle() {
      const lines = Object.entries(listing(HERE, SOURCES)).map(([path, hash]) => `${path} ${hash}\n`);
      const built = listing(OUT, ["index.html", "assets"]);
      const record = { sources_sha256: sha256(lines.join("")), files: built };
      writeFileSync(join(OUT, "build.json"), `${JSON.stringify(record, null, 2)}\n`);
    },
  };
}

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
    chunkSizeWarningLimit: 1200,
  },
});
