import { beforeEach, describe, expect, test } from "vitest";
import { type ExtensionContext, verifyExtension } from "../../../mev/extension.ts";
import type { SeenShares } from "../../../mev/seal/share-evidence.ts";
import { sharesRoot } from "../../../mev/seal/shares.ts";
import type { VerifySignatures } from "../../../mev/signatures.ts";
import { Height } from "../../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex } from "../../../proto/bytes.ts";
import { type Shares, SHARES_CODEC } from "../../../proto/codec/seal-block.ts";
import {
  type SealAsk,
  type SealedBatchState,
  SealedItemKind,
} from "../../../proto/codec/seal-state.ts";
import type { SealEvidence } from "../../../proto/codec/seal-tx.ts";
import {
  encodeLists,
  encodeVoteExtension,
  PartType,
  partSignBytes,
} from "../../../proto/codec/weft-extension.ts";
import { assert } from "../../../proto/errors.ts";
import { sha256 } from "../../../proto/hash.ts";
import { createEd25519Verifier, signEd25519 } from "../../../proto/verify/ed25519.ts";
import { damagedExtension } from "../../../test/support/seal-faults.ts";
import { eventsOf, sealText, startSealedChain } from "../../../test/support/sealed-app.ts";
import { LOCAL_SEAL_COMPUTE } from "../../../test/support/seal-compute.ts";
import { SharesWorld } from "../../../test/support/shares-world.ts";
import { CHAIN_ID, nonce, signedItem, wallet } from "../../../test/support/weft-app.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { yieldToLoop } from "../../ports/yield-to-loop.ts";
import { SHARES_WATCHED_WAITING_MAX } from "../limits.ts";
import { NULL_SEAL_METRICS } from "../seal/metrics.ts";
import { ShareWatch } from "./share-watch.ts";

const HEIGHT = 6;
const verifier = createEd25519Verifier();
const verify: VerifySignatures = (checks) => verifier.verifyBatch(checks);

let world: SharesWorld;
let ask: SealAsk;
let watch: ShareWatch;
let found: SealEvidence[];
let unwatched: number;
let batches: Map<number, SealedBatchState>;

beforeEach(() => {
  world = new SharesWorld(["alice", "bob"]);
  world.addKey(1, [2, 1], 2);
  world.stake.ctx.advance({ blocks: HEIGHT });
  ask = world.ask(HEIGHT, { batches: [{ height: 5, key: 1, items: 2 }] });
  found = [];
  unwatched = 0;
  batches = new Map();
  watch = new ShareWatch({
    verify,
    compute: LOCAL_SEAL_COMPUTE,
    keyOf: (key) => world.key(key).state,
    batchAt: (height) => batches.get(height),
    found: (evidence) => found.push(evidence),
    logger: NULL_LOGGER,
    metrics: { ...NULL_SEAL_METRICS, sealPartsUnwatched: { inc: () => unwatched++ } },
  });
});

describe("the watch over shares", () => {
  test("finds a proof that fails, once, whatever becomes of the vote", async () => {
    const part = await damaged("alice", "round 0");
    expect(await show(part)).toBe("SHARES_PROOF");
    expect(await show(await damaged("alice", "round 1"))).toBe("SHARES_PROOF");
    expect(found.map(({ kind }) => kind)).toEqual(["faultyShares"]);
    await expectGuilty();
  });

  test("finds two parts with different shares, the wrong one first or second", async () => {
    const honest = await world.part("alice", HEIGHT, ask, "round 0");
    const wrong = await damaged("alice", "round 1");
    expect(await show(honest)).toBeUndefined();
    expect(await show(wrong)).toBe("SHARES_PROOF");
    expect(found.map(({ kind }) => kind)).toEqual(["contradictingShares", "faultyShares"]);
    await expectGuilty();

    const [first, second] = [
      await damaged("bob", "round 0"),
      await world.part("bob", HEIGHT, ask, "round 1"),
    ];
    expect(await show(first)).toBe("SHARES_PROOF");
    expect(await show(second)).toBeUndefined();
    expect(found.slice(2).map(({ kind }) => kind)).toEqual(["faultyShares", "contradictingShares"]);
    await expectGuilty();
  });

  test("finds shares of a batch that waits and was not asked for", async () => {
    const early = world.askOf({ batches: [{ height: 4, key: 1, items: 2 }] });
    const points = early.batches[0]?.points;
    assert(points !== undefined, "there is a batch");
    batches.set(4, { key: 1, items: [itemAt(0, points), itemAt(1, points)] });
    expect(await show(await world.part("alice", HEIGHT, early))).toBe("SHARES_INCOMPLETE");
    expect(found.map(({ kind }) => kind)).toEqual(["unaskedShares"]);
    await expectGuilty();
    // Nothing is known of such a batch: nothing is proven.
    const unknown = world.askOf({ batches: [{ height: 3, key: 1, items: 2 }] });
    await show(await world.part("bob", HEIGHT, unknown));
    expect(found).toHaveLength(1);
  });

  test("finds shares that came with the votes for the very block, once it is committed", async () => {
    const early = world.askOf({ batches: [{ height: HEIGHT, key: 1, items: 2 }] });
    const points = early.batches[0]?.points;
    assert(points !== undefined, "there is a batch");
    expect(await show(await world.part("alice", HEIGHT, early))).toBe("SHARES_INCOMPLETE");
    expect(found).toEqual([]);
    batches.set(HEIGHT, { key: 1, items: [itemAt(0, points), itemAt(1, points)] });
    watch.committed(HEIGHT + 1);
    await watch.idle();
    expect(found.map(({ kind }) => kind)).toEqual(["unaskedShares"]);
    await expectGuilty();
  });

  test("finds nothing in what honest validators answer, in any round", async () => {
    for (const round of ["round 0", "round 1", "round 2"]) {
      for (const name of ["alice", "bob"]) {
        expect(await show(await world.part(name, HEIGHT, ask, round))).toBeUndefined();
      }
    }
    expect(found).toEqual([]);
  });

  test("accuses nobody of what another key has signed", async () => {
    const part = await damaged("alice", "round 0");
    const key = world.applicationKey("bob");
    const message = partSignBytes(
      part.chainId,
      part.height,
      part.blockHash,
      PartType.SHARES,
      part.content,
    );
    expect(await show({ ...part, signature: signEd25519(key, message) })).toBe(
      "EXTENSION_BAD_SIGNATURE",
    );
    expect(found).toEqual([]);
  });

  test("forgets heights that are over, and drops what is too much", async () => {
    const honest = await world.part("alice", HEIGHT, ask, "round 0");
    await show(honest);
    watch.committed(HEIGHT + 2);
    await show(await damaged("alice", "round 1"));
    expect(
      found.map(({ kind }) => kind),
      "the first part is forgotten",
    ).toEqual(["faultyShares"]);

    const refusal = { code: "SHARES_PROOF", reason: "" } as const;
    const parts = await Promise.all(
      Array.from({ length: SHARES_WATCHED_WAITING_MAX + 3 }, (_, i) => damaged("bob", `${i}`)),
    );
    for (const part of parts) {
      const { address, publicKey } = voterOf(part);
      watch.look({
        context: contextOf(part),
        address,
        publicKey,
        extension: wireOf(part),
        refusal,
      });
    }
    expect(unwatched).toBe(3);
    await watch.idle();
  });
});

describe("a validator that shares wrongly", () => {
  test.each([
    ["refused by all", "wrongShares", false],
    ["that comes too late to be refused", "wrongProof", true],
  ] as const)("behavior: is found out by a vote %s, and pays", async (_, fault, isLate) => {
    const { chain, keys } = await startSealedChain();
    const traitor = chain.nodes[3];
    assert(traitor !== undefined, "there are four");
    const evidence: SealEvidence[] = [];
    chain.nodes[0]?.app.onShareFault((one) => evidence.push(one));
    chain.alter = (voter, { height, hash }, extension) => {
      const damage = { chainId: CHAIN_ID, applicationKey: traitor.applicationKey };
      const changed =
        voter === 3 ? damagedExtension(damage, { height, hash }, extension, fault) : undefined;
      return changed && { extension: changed, isLate };
    };
    expect(await chain.submit(sealText(wallet(0), nonce(0), keys[0], "hidden").item)).toBe(0);
    const ordered = await chain.step(0);
    await chain.step(0);
    const opened = await chain.step(0);
    expect(eventsOf(opened, "seal_opened")).toHaveLength(1);
    while (evidence.length === 0) await yieldToLoop();
    const [proof, ...more] = evidence;
    assert(proof !== undefined && more.length === 0, "one piece for one fault");
    expect(proof).toMatchObject({ kind: "faultyShares", height: ordered.height + 1 });
    const item = signedItem(wallet(1), nonce(0), { kind: "submitEvidence", evidence: proof });
    expect(await chain.submit(item)).toBe(0);
    const judged = await chain.step(0);
    expect(eventsOf(judged, "slash")).toMatchObject([
      { validator: toHex(traitor.consensusAddress).toUpperCase(), reason: "faulty-shares" },
    ]);
    expect(eventsOf(judged, "jail")).toHaveLength(1);
    expect((await chain.replay()).read.appHash()).toEqual(chain.app.read.appHash());
  });
});

/** Shows it to the watch with what a verifier says of it; the code of its refusal. */
async function show(part: SeenShares): Promise<string | undefined> {
  const extension = wireOf(part);
  const context = contextOf(part);
  const voter = voterOf(part);
  const refusal = await verifyExtension(context, extension, voter, {
    verify,
    compute: LOCAL_SEAL_COMPUTE,
  });
  watch.look({ context, ...voter, extension, refusal });
  await watch.idle();
  return refusal?.code;
}

async function expectGuilty(): Promise<void> {
  for (const evidence of found) expect(await world.refusal(evidence)).toBeUndefined();
}

/** The first share is that of the second item. */
async function damaged(name: string, round: string): Promise<SeenShares> {
  const shares: Shares = SHARES_CODEC.decode((await world.part(name, HEIGHT, ask)).content);
  const [batch] = shares.batches;
  const [ticket, ...others] = batch?.tickets ?? [];
  assert(batch !== undefined && ticket !== undefined, "something was asked");
  const points = ticket.points.slice();
  points.copyWithin(0, 32);
  const changed = {
    ...shares,
    batches: [{ ...batch, tickets: [{ ...ticket, points }, ...others] }],
  };
  return world.signed(name, HEIGHT, SHARES_CODEC.encode(changed), round);
}

function contextOf({ chainId, height, blockHash }: SeenShares): ExtensionContext {
  const seal = { ask, keyOf: (key: number) => world.key(key).state };
  return { chainId, height, blockHash, validatorCount: 2, blockBytesMax: 4_194_304, seal };
}

function voterOf({ validator: address, applicationKey: publicKey }: SeenShares) {
  return { address, publicKey };
}

/** The whole extension, LISTS signed by who it is about. */
function wireOf({
  chainId,
  height,
  blockHash,
  validator,
  content,
  signature,
}: SeenShares): Uint8Array {
  const name = ["alice", "bob"].find((one) => toHex(world.address(one)) === toHex(validator)) ?? "";
  const lists = encodeLists({
    listed: [],
    shares: { kind: "root", root: sharesRoot(content) },
    withdrawn: [],
  });
  const message = partSignBytes(chainId, height, blockHash, PartType.LISTS, lists);
  const signed = signEd25519(world.applicationKey(name), message);
  return encodeVoteExtension({
    parts: [
      { type: PartType.LISTS, content: lists, signature: signed },
      { type: PartType.SHARES, content, signature },
    ],
  });
}

/** An item that waits, as far as shares are concerned. */
function itemAt(index: number, points: Uint8Array): SealedBatchState["items"][number] {
  const kem = new Uint8Array(192);
  kem.set(points.subarray(index * 32, index * 32 + 32));
  return {
    index,
    id: sha256(Uint8Array.of(index)),
    sender: fromHex("00".repeat(20)),
    kem,
    body: EMPTY_BYTES,
    label: EMPTY_BYTES,
    places: [],
    fee: 0n,
    bond: 0n,
    disputedHeight: Height(0),
    disputedBy: EMPTY_BYTES,
    kind: SealedItemKind.SEALED,
    tips: [],
    group: EMPTY_BYTES,
    proposer: EMPTY_BYTES,
  };
}
