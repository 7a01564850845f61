// Reads a vitest log and prints its closing line as "N passed, N failed".
import { readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";

const text = stripVTControlCharacters(readFileSync(process.argv[2] ?? "", "utf8"));
const line = text.split("\n").findLast((l) => /^\s*Tests\s/.test(l)) ?? "";
const count = (word) => Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0);
const skipped = count("skipped");
process.stdout.write(
  `${count("passed")} passed, ${count("failed")} failed${skipped ? `, ${skipped} skipped` : ""}\n`,
);
