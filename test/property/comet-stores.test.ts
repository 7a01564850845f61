/**
 * Stores of ours with whatever a chain can bring (changes of validators and parameters, large blocks,
 * extensions, evidence, pruning, the checkpoint of validator sets), converted for CometBFT and back.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { addMs } from "../../proto/time.ts";
import { type Evidence, SignedMsgType, type ValidatorSet } from "../../proto/types.ts";
import { verifyEd25519Sync } from "../../proto/verify/ed25519.ts";
import { convertFromComet, convertToComet } from "../../sequencer/cometbft/stores/convert.ts";
import { advanceChainState, nextHeight } from "../../sequencer/engine/chain-state.ts";
import { type EngineHome, openEngineHome } from "../../sequencer/engine/engine-home.ts";
import { marksOf } from "../../sequencer/engine/evidence/block-marks.ts";
import { PENDING, pendingKey, PUNISHED } from "../../sequencer/engine/evidence/evidence-keys.ts";
import { encodeEvidence } from "../../proto/codec/block.ts";
import { completeBlock, emptyCommit, makeBlock } from "../../sequencer/engine/make-block.ts";
import {
  emptyResponse,
  signedCommit,
  signedVote,
  TEST_GENESIS_TIME,
  testGenesis,
  testKeys,
  testState,
  withoutExtensions,
} from "../support/chain-builder.ts";
import { Random } from "../support/random.ts";
import { conversionOptions } from "../support/conversion.ts";

/** `WEFT_SEED=123` runs one seed again, `WEFT_SEEDS=500` runs more of them. */
const SEED = process.env["WEFT_SEED"];
const SEED_COUNT = Number(process.env["WEFT_SEEDS"] ?? 8);
const SEEDS =
  SEED === undefined ? Array.from({ length: SEED_COUNT }, (_, i) => i + 1) : [Number(SEED)];
const BLOCKS = 12;
const KEYS = testKeys(6);

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "weft-comet-property-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test("behavior: stores that go to CometBFT and back say what they said", {
  timeout: 300_000,
}, async () => {
  for (const seed of SEEDS) {
    const [ours, comet, back] = ["ours", "comet", "back"].map((name) =>
      join(root, `${name}-${seed}`),
    );
    if (ours === undefined || comet === undefined || back === undefined) throw new Error("names");
    await fill(ours, new Random(seed * 6_151));
    const common = conversionOptions();
    const deps = { verify: verifyEd25519Sync };
    const there = await convertToComet({ ...common, from: ours, to: comet }, deps);
    expect(await convertFromComet({ ...common, from: comet, to: back }, deps)).toEqual(there);
    expect(await all(back), `seed ${seed}`).toEqual(await all(ours));
  }
});

/** A home with a chain as the seed draws it. */
async function fill(dataDirectory: string, random: Random): Promise<void> {
  const home = await openEngineHome({ dataDirectory, privValidatorKeyPath: undefined });
  const initialHeight = Height(random.pick([1, 37, 99_995]) ?? 1);
  const isExtended = random.chance(50);
  const genesis = testGenesis(KEYS.slice(0, 4), { initialHeight });
  let state = testState({
    ...genesis,
    consensusParams: {
      ...genesis.consensusParams,
      abci: { voteExtensionsEnableHeight: Height(isExtended ? initialHeight + 2 : 0) },
    },
  });
  await home.stateStore.save(state);
  let lastCommit = emptyCommit();
  for (let i = 0; i < BLOCKS; i++) {
    const height = nextHeight(state);
    const filler = random.chance(20) ? 150_000 : random.below(300);
    const txs = Array.from({ length: random.below(3) }, () =>
      sha256(utf8ToBytes(`${random.below(1e9)}`)),
    );
    txs.push(new Uint8Array(filler).fill(random.below(256)));
    const pieces = i > 2 && random.chance(30) ? [offence(Height(height - 1), random)] : [];
    const complete = completeBlock(
      makeBlock(state, {
        txs,
        evidence: pieces,
        lastCommit,
        proposerAddress: state.validators.proposer.address,
      }),
    );
    const { block, blockId } = complete;
    const time = addMs(block.header.time, 1_000);
    const signed = signedCommit(KEYS, state.validators, height, blockId, time);
    const commit = {
      ...signed,
      extendedSignatures: signed.extendedSignatures.map((sig) => ({
        ...sig,
        extension: utf8ToBytes("said"),
        extensionSignature: sig.signature,
      })),
    };
    lastCommit = withoutExtensions(signed);
    await home.blockStore.save({
      ...complete,
      seenCommit: lastCommit,
      extendedCommit: isExtended && height >= initialHeight + 2 ? commit : undefined,
    });
    const response = emptyResponse(txs.length, {
      validatorUpdates: random.chance(30) ? [drawUpdate(random, state.nextValidators)] : [],
      consensusParamUpdates: random.chance(20)
        ? {
            ...state.consensusParams,
            block: {
              ...state.consensusParams.block,
              maxBytes: BigInt(2_000_000 + random.below(1e6)),
            },
          }
        : undefined,
      appHash: sha256(utf8ToBytes(`${height}`)),
    });
    await home.stateStore.saveFinalizeBlockResponse(height, response);
    // A crash between storing the last block and applying it leaves the state one behind.
    if (i === BLOCKS - 1 && random.chance(30)) break;
    state = advanceChainState(state, blockId, block.header, response);
    await home.stateStore.save(state);
    // Of a block that was applied, and of no other: its marks would speak against its own evidence.
    await home.evidenceStore.write(marksOf(pieces));
  }
  const waiting = offence(state.lastBlockHeight, random);
  await home.evidenceStore.write([
    { type: "put", key: pendingKey(waiting), value: encodeEvidence(waiting) },
  ]);
  if (random.chance(40)) {
    const retain = Height(initialHeight + 1 + random.below(BLOCKS - 4));
    await home.blockStore.prune(retain);
    for (let at = 0; at < retain; at += 100) await home.stateStore.prune(retain);
  }
  await home.close();
}

/** Another power for a validator of the set, or one that joins. */
function drawUpdate(random: Random, set: ValidatorSet) {
  const key = random.pick(KEYS.slice(set.validators.length > 5 ? 0 : 4)) ?? KEYS[0];
  if (key === undefined) throw new Error("there are keys");
  return { publicKey: key.publicKey, power: BigInt(1 + random.below(20)) };
}

function offence(height: Height, random: Random): Evidence {
  const [key] = KEYS;
  if (key === undefined) throw new Error("there are keys");
  const validators = testState(testGenesis(KEYS.slice(0, 4))).validators;
  const vote = (tag: string) =>
    signedVote(key, validators, {
      type: SignedMsgType.PREVOTE,
      height,
      round: Round(random.below(3)),
      blockId: {
        hash: sha256(utf8ToBytes(tag)),
        partSetHeader: { total: 1, hash: sha256(utf8ToBytes(`${tag} parts`)) },
      },
      timestamp: TEST_GENESIS_TIME,
    });
  const voteA = vote("a");
  return {
    kind: "duplicateVote",
    voteA,
    voteB: { ...vote("b"), round: voteA.round },
    totalVotingPower: 40n,
    validatorPower: 10n,
    timestamp: TEST_GENESIS_TIME,
  };
}

/** All that the stores of a home answer. */
async function all(dataDirectory: string): Promise<unknown> {
  const home = await openEngineHome({ dataDirectory, privValidatorKeyPath: undefined });
  try {
    const { blockStore, stateStore } = home;
    const [base, last] = [blockStore.base(), blockStore.height()];
    const heights: unknown[] = [];
    for (let number = base - 1; number <= last + 2; number++) {
      const height = Height(number);
      const meta = await blockStore.meta(height);
      heights.push({
        meta,
        bytes: toHex(sha256((await blockStore.blockBytes(height)) ?? new Uint8Array(0))),
        part: await blockStore.part(height, (meta?.blockId.partSetHeader.total ?? 1) - 1),
        byHash: meta && (await blockStore.heightByHash(meta.blockId.hash)),
        commit: await blockStore.commit(height),
        seen: await blockStore.seenCommit(height),
        extended: await blockStore.extendedCommit(height),
        // Below the base only what evidence needs of pruned heights may differ.
        ...(number < base ? {} : await stateOf(home, height)),
      });
    }
    return {
      base,
      last,
      heights,
      state: await stateStore.load(),
      evidence: await evidenceOf(home),
    };
  } finally {
    await home.close();
  }
}

async function stateOf({ stateStore }: EngineHome, height: Height) {
  return {
    validators: await stateStore.validators(height),
    params: await stateStore.consensusParams(height),
    response: await stateStore.finalizeBlockResponse(height),
  };
}

async function evidenceOf({ blockStore, evidenceStore }: EngineHome) {
  const found: Record<string, string> = {};
  const range = { from: new Uint8Array([0]), to: new Uint8Array([0xff]) };
  for await (const [key, value] of evidenceStore.entries(range)) {
    // Of pruned blocks, which are older than any evidence may be, CometBFT remembers less than we do.
    const height = Number(new DataView(key.buffer, key.byteOffset).getBigUint64(1));
    const isPruned = height + 1 < blockStore.base();
    if (isPruned && key[0] === PUNISHED.charCodeAt(0)) continue;
    found[toHex(key)] = toHex(value);
  }
  expect(Object.keys(found).some((key) => key.startsWith(toHex(utf8ToBytes(PENDING))))).toBe(true);
  return found;
}
