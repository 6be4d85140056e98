/** More to begin with than the one example each language brings; one that has no more here is shown with its own. */

export interface Example {
  title: string;
  code: string;
}

const PYTHON: Example[] = [
  {
    title: "Talk with it",
    code: `# Type your answer in the terminal, then Enter.
name = input("What is your name? ")
print(f"Hello, {name}!")

while (line := input("Say something (or 'bye'): ")) != "bye":
    print(f"  {line[::-1]}")
print("See you.")
`,
  },
  {
    title: "Output as it comes",
    code: `import sys
import time

for step in range(1, 31):
    bar = "█" * step + "░" * (30 - step)
    sys.stdout.write(f"\\r\\x1b[36m{bar}\\x1b[0m {step * 100 // 30:3d} %")
    sys.stdout.flush()
    time.sleep(0.1)
print("\\nDone.")
`,
  },
  {
    title: "Draw a plot",
    code: `import matplotlib.pyplot as plt
import numpy as np

t = np.linspace(0, 12 * np.pi, 4000)
r = np.exp(np.sin(t)) - 2 * np.cos(4 * t) + np.sin((2 * t - np.pi) / 24) ** 5

fig = plt.figure(figsize=(6, 6))
axes = fig.add_subplot(projection="polar")
axes.plot(t, r, linewidth=0.8, color="teal")
axes.set_axis_off()
plt.show()
`,
  },
  {
    title: "Leave a file",
    code: `import csv

with open("squares.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["n", "n squared"])
    table.writerows((n, n * n) for n in range(1, 101))

print("squares.csv is below the terminal, to download.")
`,
  },
];

const JAVASCRIPT: Example[] = [
  {
    title: "Talk with it",
    code: `// Type a line in the terminal; Ctrl+D ends the input.
const readline = require("node:readline");

const lines = readline.createInterface({ input: process.stdin });
console.log("Numbers please, one a line:");
let sum = 0;
lines.on("line", (line) => {
  sum += Number(line) || 0;
  console.log("sum so far:", sum);
});
lines.on("close", () => console.log("total:", sum));
`,
  },
  {
    title: "Output as it comes",
    code: `const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function main() {
  for (const colour of [31, 33, 32, 36, 34, 35]) {
    process.stdout.write(\`\\x1b[\${colour}m●\\x1b[0m \`);
    await pause(250);
  }
  console.log();
}

main();
`,
  },
];

const BASH: Example[] = [
  {
    title: "Talk with it",
    code: `read -r -p "A word, please: " word
for ((i = 1; i <= \${#word}; i++)); do
  echo "\${word:0:i}"
  sleep 0.2
done
`,
  },
];

const HTML: Example[] = [
  {
    title: "A page with a console",
    code: `<!doctype html>
<meta charset="utf-8">
<style>
  body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem; }
  button { font: inherit; padding: .4rem 1rem; }
</style>
<h1>Counting</h1>
<button>Pressed <span>0</span> times</button>
<script>
  let count = 0;
  const button = document.querySelector("button");
  button.addEventListener("click", () => {
    count += 1;
    button.querySelector("span").textContent = count;
    console.log("pressed", { count });
  });
  console.info("The page is ready.");
</script>
`,
  },
  {
    title: "Drawing by script",
    code: `<!doctype html>
<meta charset="utf-8">
<style>html, body { margin: 0; height: 100%; background: #0d1f1e; } canvas { display: block; }</style>
<canvas></canvas>
<script>
  const canvas = document.querySelector("canvas");
  const pen = canvas.getContext("2d");
  const fit = () => { canvas.width = innerWidth; canvas.height = innerHeight; };
  addEventListener("resize", fit);
  fit();
  console.log("canvas", canvas.width, "×", canvas.height);
  requestAnimationFrame(function draw(ms) {
    pen.fillStyle = "#0d1f1e22";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < 60; i += 1) {
      const angle = i * 2.39996 + ms / 4000;
      const radius = Math.sqrt(i) * 22 * (1 + 0.1 * Math.sin(ms / 900 + i));
      pen.fillStyle = \`hsl(\${150 + i * 2} 60% 65%)\`;
      pen.beginPath();
      pen.arc(canvas.width / 2 + Math.cos(angle) * radius, canvas.height / 2 + Math.sin(angle) * radius, 4, 0, 7);
      pen.fill();
    }
    requestAnimationFrame(draw);
  });
</script>
`,
  },
];

const MORE: Record<string, Example[]> = { python: PYTHON, javascript: JAVASCRIPT, bash: BASH, html: HTML };

/** The language's own example first, then ours. */
export function examples(language: string, own: string): Example[] {
  const first = own.trim() === "" ? [] : [{ title: "First steps", code: own }];
  return [...first, ...(MORE[language] ?? [])];
}

/** What a program is known by in a list: its first line that says something. */
export function firstLine(code: string): string {
  const line = code.split("\n").map((x) => x.trim()).find((x) => /\w/.test(x)) ?? "…";
  return line.length > 44 ? `${line.slice(0, 43)}…` : line;
}
