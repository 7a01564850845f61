/** Every decoder of the product and the target that drives it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Target } from "./target.ts";
import { ABCI_TARGETS } from "./targets/abci.ts";
import { CHAIN_TARGETS } from "./targets/chain.ts";
import { ENGINE_TARGETS } from "./targets/engines.ts";
import { FILE_TARGETS } from "./targets/files.ts";
import { FILLING_TARGETS } from "./targets/fillings.ts";
import { ADDRESS_TARGETS, P2P_TARGETS } from "./targets/p2p.ts";
import { ROLLUP_TARGETS } from "./targets/rollups.ts";
import { SEALED_CONTENT_TARGETS } from "./targets/sealed-content.ts";
import { SEARCHER_TARGETS } from "./targets/searchers.ts";
import { SERVICE_TARGETS } from "./targets/services.ts";
import { WEFT_TARGETS } from "./targets/weft.ts";

export const TARGETS: readonly Target[] = [
  ...CHAIN_TARGETS,
  ...ABCI_TARGETS,
  ...WEFT_TARGETS,
  ...SEALED_CONTENT_TARGETS,
  ...P2P_TARGETS,
  ...ADDRESS_TARGETS,
  ...FILE_TARGETS,
  ...ENGINE_TARGETS,
  ...SERVICE_TARGETS,
  ...ROLLUP_TARGETS,
  ...FILLING_TARGETS,
  ...SEARCHER_TARGETS,
];

/** Exports that are named like decoders and need no target, with the reason; `path#*`: all of a file. */
export const EXEMPT: Readonly<Record<string, string>> = {
  "sequencer/cli/options.ts#*": "arguments that the operator types",
  "sequencer/cli/bundle-options.ts#*": "arguments that the operator types",
  "sequencer/cli/validator-keys.ts#readOrCreateValidatorKeys":
    "opens key files with their readers, which have targets",
  "sequencer/cli/commit-file.ts#readCommit": "a file that the operator names",
  "sequencer/cli/evidence-argument.ts#readEvidence":
    "a file that the operator names; what it holds is read by evidenceFromJson, which has a target",
  "sequencer/node/comet-watch.ts#readPlace": "asks a CometChain, which reads the answers",
  "sequencer/engine/wal/log-reader.ts#readLogFile":
    "scanFrames, which has a target, of a whole file",
  "sequencer/app/staking/queue.ts#parseQueueKey": "keys that the rules of staking wrote",
  "mev/seal/share-evidence.ts#*": "canonical bytes by codecs that have targets, or undefined",
  "mev/inclusion/keys.ts#*": "keys of the state that the rules of inclusion wrote",
  "sequencer/app/ordering/entry-terms.ts#readEntryTerms":
    "block events that this application emitted",
  "sequencer/app/ordering/events.ts#readOrders": "block events that this application emitted",
  "sequencer/app/atomic/block-events.ts#readDecisions":
    "block events that this application emitted",
  "sequencer/app/execution/block-items.ts#decodeBlockItems":
    "a loop over decodeItem and TxDecoder, which have targets",
  "sequencer/app/seal/fills.ts#readFillsEvents": "block events that this application emitted",
  "sequencer/cometbft/metrics-page.ts#readMetricsPage":
    "fetches a page of our own child, bounded, as text",
  "sequencer/rpc/indexer/keys.ts#parseEventKey": "keys that this index wrote under their prefix",
  "sequencer/rpc/indexer/keys.ts#parseHeightValue": "a value that this index wrote, eight bytes",
  "sequencer/rpc/indexer/keys.ts#parseCountValue": "a value that this index wrote, four bytes",
  "sequencer/rpc/indexer/keys.ts#parseHashValue": "a value that this index wrote",
  "rollup-adapter/engine-api/jwt.ts#readSecret": "a file that the operator names, 32 bytes in hex",
  "rollup-adapter/engine-api/genesis-file.ts#readOpGenesis":
    "a file that the operator names; every problem with it is one error",
  "rollup-adapter/json-rpc/post.ts#readText": "text of an answer; what reads it has a target",
  "rollup-adapter/conformance/payloads.ts#*": "files that the operator names, hex by the line",
  "rollup-adapter/gateway/journal/batch-record.ts#*": "records that the gateway's journal wrote",
  "rollup-adapter/gateway/journal/placement-record.ts#decodePlacement":
    "records that the gateway's journal wrote",
  "rollup-adapter/evm/replay.ts#parseBlockFixture":
    "files that the operator names; every hash in them is checked",
};

/** Why a decoder needs no target; undefined when it does. */
export function exemption(decoder: string): string | undefined {
  return EXEMPT[decoder] ?? EXEMPT[decoder.replace(/#.*/, "#*")];
}

/** How exports that read what came from elsewhere are named. */
const DECODER =
  /^export (?:async )?(?:function|const) ((?:decode|parse|read)[A-Z]\w*|decode|[a-z]\w*From(?:Json|Uri)|[a-z]\w*Param|[A-Z_]+_CODEC)\b/gm;

const ROOTS = ["proto", "sequencer", "mev", "rollup-adapter"];

/** `path#export` of every decoder in the sources under `root`. */
export function decodersIn(root: string): readonly string[] {
  return ROOTS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /(?<!\.test|\.d)\.ts$/.test(name) && !name.includes("gen/"))
      .flatMap((name) => {
        const path = `${folder}/${name}`;
        const source = readFileSync(join(root, path), "utf8");
        return [...source.matchAll(DECODER)].map(([, decoder]) => `${path}#${decoder ?? ""}`);
      }),
  ).toSorted();
}
