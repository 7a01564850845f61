/** Duties of validators through the whole application: free, and in no block unless they hold. */
import { describe, expect, test } from "vitest";
import { CommitteeChain } from "../../../../test/support/committee-chain.ts";
import { evidenceAgainst } from "../../../../test/support/proposal-evidence.ts";
import { TEST_TDH2 } from "../../../../test/support/sealing.ts";
import {
  dataFor,
  idOf,
  nonce,
  operator,
  signedItem,
  START_BALANCE,
  transferTo,
  unordered,
  wallet,
} from "../../../../test/support/weft-app.ts";
import { encryptionKeyContext } from "../../../../mev/seal/dkg.ts";
import { bytesEqual, toHex } from "../../../../proto/bytes.ts";
import type { Action, Replay } from "../../../../proto/codec/weft-tx.ts";
import { CODES } from "../../codes.ts";
import { POOL_FREE_PER_ACCOUNT_MAX } from "../../limits.ts";
import { sealState } from "../reader.ts";

const codeOf = (name: keyof typeof CODES): number => CODES[name].number;
const FREE = { maxFeePerByte: 0n, tipPerByte: 0n };

/** The registration that a node's duties make, as an action. */
function registration(chain: CommitteeChain, node: number): Action {
  const validator = chain.chain.node(node).consensusAddress;
  const secret = chain.group.scalars.reduceWide(new Uint8Array(64).fill(node + 1));
  const encryptionKey = chain.group.mulBase(secret);
  const context = encryptionKeyContext(chain.state.chainId, validator);
  const possession = TEST_TDH2.provePossession(context, secret, encryptionKey);
  return { kind: "registerSealKey", validator, encryptionKey, possession };
}

function free(node: number, action: Action, replay: Replay = nonce(0)): Uint8Array {
  return signedItem(operator(node), replay, action, FREE);
}

describe("duties of validators", () => {
  test("behavior: a key is made by accounts without any money", async () => {
    const committee = await CommitteeChain.start();
    const { chain } = committee;
    const { address } = operator(2);
    const before = chain.app.read.supply();
    await committee.makeKey();
    expect(sealState(committee.state)).toMatchObject({ activeKey: 1, isOpen: true });
    expect(chain.app.read.account(address)).toEqual({ balance: 0n, nonce: 2n });
    expect(chain.app.read.supply()).toEqual(before);
    const replayed = await chain.replay();
    expect(sealState(replayed.read.staking())).toEqual(sealState(committee.state));
  });

  test("behavior: a wrong share shown in a block costs the dealer its seat, not the chain its key", async () => {
    const committee = await CommitteeChain.start();
    const { chain } = committee;
    await committee.registerAll();
    const generation = await committee.untilGeneration();
    const terms = { chainId: committee.state.chainId, ...generation };
    const nodeOf = ({ validator }: { readonly validator: Uint8Array }) =>
      chain.nodes.findIndex((one) => bytesEqual(one.consensusAddress, validator));
    const victim = nodeOf(generation.members[0] ?? { validator: new Uint8Array(0) });
    const { consensusAddress: cheated } = chain.node(victim);
    const liar = (victim + 1) % 4;
    // Made for another encryption key of the victim: proven as it has to be, and of no use.
    const members = generation.members.map((member) =>
      nodeOf(member) === victim ? { ...member, encryptionKey: committee.group.base } : member,
    );
    const dealings = await committee.deal({
      alter: (node, dealing) =>
        node === liar
          ? committee.dkg.deal({ ...terms, members }, dealing.dealer, new Uint8Array(32).fill(9))
          : dealing,
    });
    await chain.step();
    const bad = dealings.find(({ dealer }) =>
      bytesEqual(dealer, chain.node(liar).consensusAddress),
    );
    if (bad === undefined) throw new Error("the liar has dealt");
    const secret = committee.encryptionSecret(victim);
    const ticket = committee.dkg.openDealing(terms, bad, cheated, secret).wrongTicket;
    expect(ticket).toBe(1);
    const complaint = committee.dkg.complain(terms, bad, cheated, ticket ?? 0, secret);
    const action: Action = { kind: "complain", ...complaint };
    const item = free(victim, action, nonce(2));
    expect(await chain.submit(free(liar, action, nonce(2)))).toBe(codeOf("FEE_TOO_LOW"));
    for (const index of chain.nodes.keys()) expect(await chain.submit(item, index)).toBe(0);
    const { response } = await chain.step();
    expect(response.txResults.at(-1)?.code).toBe(0);
    expect(response.validatorUpdates.map(({ power }) => power)).toEqual([0n]);
    expect(chain.app.read.supply().burned).toBe(100_000n);

    const key = await committee.untilFinal(dealings);
    expect(key.dealers.map(toHex)).not.toContain(toHex(chain.node(liar).consensusAddress));
    expect(key.dealers).toHaveLength(3);
    expect(committee.ticketSecret(victim, 1, 1)).toBeDefined();
    await chain.step();
    expect(sealState(committee.state)).toMatchObject({ activeKey: 1, isOpen: true });
    await chain.replay();
  });

  test("behavior: nothing but a duty of one's own is free", async () => {
    const committee = await CommitteeChain.start();
    const { chain } = committee;
    const action = registration(committee, 1);
    expect(await chain.submit(free(0, action)), "another validator").toBe(codeOf("FEE_TOO_LOW"));
    const stranger = signedItem(wallet(0), nonce(0), action, FREE);
    expect(await chain.submit(stranger)).toBe(codeOf("FEE_TOO_LOW"));
    const paying = signedItem(wallet(0), nonce(0), action);
    expect(await chain.submit(paying)).toBe(codeOf("SEAL_NOT_MEMBER"));
    const transfer = free(1, transferTo(wallet(0).address, 1n));
    expect(await chain.submit(transfer)).toBe(codeOf("FEE_TOO_LOW"));
    const tipping = signedItem(operator(1), nonce(0), action, { maxFeePerByte: 0n });
    expect(await chain.submit(tipping)).toBe(codeOf("FEE_TOO_LOW"));
    expect(await chain.submit(free(1, action))).toBe(0);
  });

  test("behavior: a validator reports faults for nothing, once each", async () => {
    const { chain } = await CommitteeChain.start();
    await chain.step();
    const report = free(0, evidenceAgainst(3));
    expect(await chain.submit(signedItem(wallet(0), nonce(0), evidenceAgainst(3), FREE))).toBe(
      codeOf("FEE_TOO_LOW"),
    );
    expect(await chain.submit(report)).toBe(0);
    expect(await chain.submit(free(1, evidenceAgainst(3)))).toBe(0);
    const { txs, response } = await chain.step(0);
    expect(txs).toHaveLength(3);
    expect(response.txResults.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(chain.app.poolSize().count, "the other one would fail").toBe(0);
  });

  test("behavior: arithmetic is done once a signature holds, and a false proof is refused", async () => {
    const committee = await CommitteeChain.start();
    const { chain } = committee;
    const action = registration(committee, 1);
    if (action.kind !== "registerSealKey") throw new Error("it registers a key");
    const unproven = free(1, { ...action, possession: new Uint8Array(64).fill(1) });
    const forged = unproven.slice();
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    expect(await chain.submit(forged)).toBe(codeOf("TX_SIGNATURE"));
    expect(await chain.submit(unproven)).toBe(codeOf("TX_PROOF"));
    expect((await chain.app.dryRun(unproven)).code).toBe(codeOf("TX_PROOF"));
    expect((await chain.app.dryRun(free(1, action))).code).toBe(0);
  });

  test("behavior: a block with a free item that fails is refused; one that pays stands, and fails", async () => {
    const committee = await CommitteeChain.start({ operatorBalance: START_BALANCE });
    const { chain } = committee;
    await chain.step();
    const action = registration(committee, 1);
    const once = free(1, action);
    const again = free(1, action, nonce(1));
    const paid = signedItem(operator(1), nonce(1), action);
    const [manifest, injected] = await chain.prepare(0);
    const items = (...txs: Uint8Array[]) =>
      [manifest, injected, ...txs].filter((item) => item !== undefined);
    expect(await chain.refusal(items(once))).toBeUndefined();
    expect(await chain.refusal(items(once, again))).toContain("SEAL_DONE");
    const { response } = await chain.decide(items(once, paid));
    expect(response.txResults.slice(2).map(({ code }) => code)).toEqual([0, codeOf("SEAL_DONE")]);
    expect(chain.app.read.account(operator(1).address).balance).toBeLessThan(START_BALANCE);
  });

  test("behavior: the pool keeps a few of each account, and gives none up for money", async () => {
    const committee = await CommitteeChain.start({ pool: { countMax: 5 } });
    const { chain } = committee;
    const action = registration(committee, 0);
    for (let i = 0; i < POOL_FREE_PER_ACCOUNT_MAX; i++) {
      expect(await chain.submit(free(0, action, unordered(50, String(i))))).toBe(0);
    }
    const more = free(0, action, unordered(50, "more"));
    expect(await chain.submit(more)).toBe(codeOf("POOL_ACCOUNT_FULL"));
    const cheap = signedItem(wallet(0), nonce(0), dataFor("alpha", "x"));
    expect(await chain.submit(cheap)).toBe(0);
    // The pool is full: what pays gives way to a duty, never the other way round.
    expect(await chain.submit(free(1, registration(committee, 1)))).toBe(0);
    expect(chain.app.transactionStatus(idOf(cheap)).state).toBe("evicted");
    const rich = signedItem(wallet(1), nonce(0), dataFor("alpha", "y"), {
      maxFeePerByte: 1_000_000n,
      tipPerByte: 900_000n,
    });
    expect(await chain.submit(rich)).toBe(codeOf("POOL_FULL"));
    // One registration is all that a block can take of the four; the others are of no use any more.
    const { txs } = await chain.step(0);
    expect(txs).toHaveLength(3);
    expect(chain.app.poolSize().count).toBe(0);
  });

  test("behavior: what came too late leaves the pool", async () => {
    const committee = await CommitteeChain.start();
    const { chain } = committee;
    await committee.registerAll();
    const generation = await committee.untilGeneration();
    const [dealt] = await committee.deal({ silent: [1, 2, 3] });
    expect(dealt?.key).toBe(1);
    await chain.step();
    // A dealing that waits for a nonce until nobody may deal any more.
    const terms = { chainId: committee.state.chainId, ...generation };
    const { consensusAddress } = chain.node(1);
    const dealing = committee.dkg.deal(terms, consensusAddress, new Uint8Array(32).fill(1));
    const late = free(1, { kind: "deal", ...dealing }, nonce(2));
    expect(await chain.submit(late)).toBe(0);
    await chain.stepTo(generation.dealHeight - 1);
    expect(chain.app.transactionStatus(idOf(late)).state).toBe("pending");
    await chain.step();
    expect(chain.app.transactionStatus(idOf(late))).toMatchObject({
      state: "evicted",
      code: codeOf("SEAL_GENERATION_NONE"),
    });
  });
});
