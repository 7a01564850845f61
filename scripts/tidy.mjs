// House rules that neither the compiler nor the linter can see. Prints each breach, exits 1.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const LINES_MAX = 650;
const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { encoding: "utf8" })
  .split("\n")
  .filter(
    (f) =>
      /\.(ts|mjs)$/.test(f) && !f.startsWith("proto/gen/") && !f.startsWith("mev/seal/group/gen/"),
  );
const breaches = [];
for (const file of files) {
  let text;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    continue; // deleted in the work tree, still in the index
  }
  const lines = text.split("\n");
  if (lines.length > LINES_MAX)
    breaches.push(`${file}: ${lines.length} lines, at most ${LINES_MAX}`);
  lines.forEach((line, i) => {
    const at = `${file}:${i + 1}`;
    if (file !== "scripts/tidy.mjs") {
      if (/\b(TODO|FIXME|XXX|HACK)\b/.test(line))
        breaches.push(`${at}: open note; do it or file it`);
      if (/@ts-(ignore|nocheck|expect-error)/.test(line)) breaches.push(`${at}: hole in the types`);
      if (/\b(it|test|describe)\.(only|todo)\(/.test(line))
        breaches.push(`${at}: test switched off`);
    }
    if (/\bconsole\.log\(/.test(line) && !/^(bench|scripts|sequencer\/cli|test\/)/.test(file)) {
      breaches.push(`${at}: console.log outside the command line; use the logger`);
    }
  });
}
for (const breach of breaches) process.stderr.write(`${breach}\n`);
process.exit(breaches.length === 0 ? 0 : 1);
