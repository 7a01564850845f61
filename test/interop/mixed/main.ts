/**
 * Mixed networks at length.
 *
 *     npm run interop -- --blocks 300                       3 + 1, 2 + 2 and 1 + 3 in turn
 *     npm run interop -- --blocks 100 --network 2+2         TypeScript + Go
 *     npm run interop -- --faults kill,cut                  of kill, pause, cut, restart; "": none
 *     npm run interop -- --away 50                          blocks that each misses
 *     npm run interop -- --supervised                       Go nodes by "weft start --engine cometbft"
 *     npm run interop -- --bytes 400000                     of each transaction
 *     npm run interop -- --set consensus.timeout_propose=50ms    configuration of every node
 */
import { parseArgs } from "node:util";
import { AWAY_BLOCKS, FAULTS } from "./perturbations.ts";
import { parseSettings } from "../../../sequencer/cli/options.ts";
import { runMixed } from "./run-mixed.ts";

const { values } = parseArgs({
  options: {
    blocks: { type: "string", default: "300" },
    network: { type: "string", multiple: true, default: ["3+1", "2+2", "1+3"] },
    faults: { type: "string", default: FAULTS.join(",") },
    away: { type: "string", default: String(AWAY_BLOCKS) },
    bytes: { type: "string", default: "40000" },
    supervised: { type: "boolean", default: false },
    set: { type: "string", multiple: true, default: [] },
  },
});
/** In this order, on each validator; the empty text: none. */
const faults = FAULTS.filter((fault) => values.faults.split(",").includes(fault));
for (const network of values.network) {
  const [weft = 0, cometbft = 0] = network.split("+").map(Number);
  const validators = [
    ...Array.from({ length: weft }, () => "weft" as const),
    ...Array.from({ length: cometbft }, () => "cometbft" as const),
  ];
  process.stdout.write(`${weft} TypeScript and ${cometbft} Go validators\n`);
  const result = await runMixed({
    validators,
    blocks: Number(values.blocks),
    faults: validators.flatMap((_, i) => faults.map((fault) => [i, fault] as const)),
    awayBlocks: Number(values.away),
    isSupervised: values.supervised,
    isParted: weft === cometbft,
    txBytes: Number(values.bytes),
    config: parseSettings(values.set),
    onProgress: (line) => process.stdout.write(`  ${line}\n`),
  });
  const { recoveries: _, chain, ...rest } = result;
  const { proposers: _proposers, signers: _signers, ...figures } = chain;
  process.stdout.write(`${JSON.stringify({ ...figures, ...rest })}\n`);
  if (rest.conflicts.length > 0) process.exitCode = 1;
}
