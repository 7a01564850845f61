/**
 * The rules of stake against the model, at length.
 *
 *     npm run staking:model -- --commands 200000 --seed 1     stories of up to 100 commands, until there were so many
 *     npm run staking:model -- --seed 42 --stories 1          the story of one seed again
 *     npm run staking:model -- --mutations                    how soon each deliberate fault of the rules is found
 *
 * A story follows from its seed alone; seeds count up. Exits with 1 when one fails, and tells it, shortened.
 */
import { spawn } from "node:child_process";
import { register } from "node:module";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { STAKING_MUTATIONS } from "./mutations.ts";

const { values } = parseArgs({
  options: {
    commands: { type: "string", default: "20000" },
    seed: { type: "string", default: "1" },
    stories: { type: "string" },
    mutations: { type: "boolean", default: false },
    mutant: { type: "string" },
  },
});
/** Stories that run on stored records too, which takes several times as long. */
const STORED_EVERY = 4;
const PROGRESS_EVERY_COMMANDS = 20_000;
const now = performance.now.bind(performance);

process.exit(values.mutations ? await huntMutants() : await runStories());

async function runStories(): Promise<number> {
  const mutation = STAKING_MUTATIONS.find(({ name }) => name === values.mutant);
  if (mutation !== undefined) {
    register(new URL("../sim/mutation-hooks.js", import.meta.url), { data: mutation });
  }
  // Loaded here, so that a mutant's rules are the changed ones.
  const { drawStory } = await import("./draw.ts");
  const { playDrafts, tellShort } = await import("./story.ts");
  const startMs = now();
  const storiesMax =
    values.stories === undefined ? Number.POSITIVE_INFINITY : Number(values.stories);
  let commands = 0;
  let told = 0;
  let seed = Number(values.seed);
  let stories = 0;
  for (; commands < Number(values.commands) && stories < storiesMax; stories++, seed++) {
    const played = playDrafts(drawStory(seed), seed % STORED_EVERY === 0);
    commands += played.steps.length;
    if (played.failure !== undefined) {
      print(`seed ${seed}, after ${commands} commands: ${tellShort(played)}`);
      print(`again: npm run staking:model -- --seed ${seed} --stories 1`);
      return 1;
    }
    if (commands - told < PROGRESS_EVERY_COMMANDS) continue;
    told = commands;
    print(`-- ${commands} commands in ${stories + 1} stories, ${seconds(startMs)} s --`);
  }
  print(`${commands} commands in ${stories} stories hold, ${seconds(startMs)} s`);
  return 0;
}

/** Each in a process of its own, whose rules are changed as they are loaded. */
async function huntMutants(): Promise<number> {
  let hidden = 0;
  for (const { name, fault } of STAKING_MUTATIONS) {
    const { code, output } = await run(name);
    const found = code === 1 && output.includes("again: ");
    if (!found) hidden++;
    const first = output.split("\n")[0] ?? "";
    print(`${found ? "found" : "HIDDEN"}  ${name} (${fault}): ${first.slice(0, 200)}`);
  }
  print(`${STAKING_MUTATIONS.length - hidden} of ${STAKING_MUTATIONS.length} mutations found`);
  return hidden === 0 ? 0 : 1;
}

function run(mutant: string): Promise<{ readonly code: number | null; readonly output: string }> {
  const { commands, seed } = values;
  const arguments_ = ["--mutant", mutant, "--commands", commands, "--seed", seed];
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...arguments_], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  return new Promise((resolve) => {
    child.once("close", (code) => {
      resolve({ code, output });
    });
  });
}

function seconds(startMs: number): string {
  return ((now() - startMs) / 1_000).toFixed(1);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
