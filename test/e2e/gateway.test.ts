/**
 * A rollup's node is killed again and again while wallets send: whatever one was told is accepted is executed, once, and
 * the gateway's account has paid for every submission once.
 */
import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Hex, keccak256, parseTransaction, recoverTransactionAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { Height, RollupId } from "../../proto/brands.ts";
import { bytesEqual, fromHex, toHex } from "../../proto/bytes.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { accountAddress, rollupDataEntries, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { validatorSetHash } from "../../proto/validator-set.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import {
  transactionProofFromJson,
  verifyTransactionProof,
} from "../../rollup-adapter/client/transaction-proof.ts";
import { EVM_DEV_ACCOUNTS } from "../../sequencer/cli/local-network.ts";
import { rollupHomeAt } from "../../sequencer/cli/rollup-files.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import {
  createTestNetwork,
  range,
  rpc,
  type TestNetwork,
  type TestRollup,
  type TestValidator,
  until,
} from "../support/local-network.ts";

const TRANSACTIONS_PER_WALLET = 50;
const KILLS = 4;

let network: TestNetwork;
let alpha: TestRollup;
let node: TestValidator;

beforeAll(async () => {
  network = await createTestNetwork({ validators: 1, rollups: ["alpha"] });
  await network.startAll();
  const [rollup] = network.rollups;
  const [validator] = network.validators;
  if (rollup === undefined || validator === undefined) throw new Error("no network");
  [alpha, node] = [rollup, validator];
});
afterAll(async () => {
  await network.close();
});

/** The answer's result; throws its error, and what keeps an answer from coming. */
async function call(method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch(alpha.rpc, {
    method: "POST",
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const answer: unknown = await response.json();
  if (typeof answer !== "object" || answer === null) throw new Error("no answer");
  if ("result" in answer) return answer.result;
  throw new Error(JSON.stringify(answer));
}

/** Sends one after the other; the same bytes again until there is an answer. What was told is accepted goes to `accepted`. */
async function sendAll(account: number, accepted: Set<Hex>): Promise<void> {
  const { privateKey } = EVM_DEV_ACCOUNTS[account] ?? {};
  if (privateKey === undefined) throw new Error(`there is no account ${account}`);
  const wallet = privateKeyToAccount(privateKey);
  for (let nonce = 0; nonce < TRANSACTIONS_PER_WALLET; nonce++) {
    const raw = await wallet.signTransaction({
      chainId: Number(alpha.evmChainId),
      to: "0x00000000000000000000000000000000000000aa",
      value: 1n,
      nonce,
      gas: 21_000n,
      maxFeePerGas: 10_000_000_000n,
      maxPriorityFeePerGas: 1n,
      type: "eip1559",
    });
    const hash = keccak256(raw);
    const answer = await until(`the node takes ${hash}`, () =>
      call("eth_sendRawTransaction", [raw]),
    );
    expect(answer).toBe(hash);
    accepted.add(hash);
  }
}

/** All that blocks `first` to `last` hold of the gateway's account, and what it is paid for. */
async function ordered(publicKey: Uint8Array, first: number, last: number) {
  const ids: string[] = [];
  const payloads: { readonly sender: string; readonly nonce: number; readonly hash: Hex }[] = [];
  let bytes = 0;
  for (const height of range(first, last)) {
    const { block } = await rpc<{ block: { data: { txs: string[] } } }>(node, "block", {
      height: String(height),
    });
    for (const text of block.data.txs) {
      const item = Buffer.from(text, "base64");
      const decoded = decodeItem(item);
      if (decoded.kind !== "tx" || !bytesEqual(decoded.tx.body.publicKey, publicKey)) continue;
      const { action } = decoded.tx.body;
      if (action.kind !== "rollupData") throw new Error(`a gateway sends no ${action.kind}`);
      ids.push(toHex(decoded.tx.bodyBytes));
      bytes += item.length;
      for (const payload of rollupDataEntries(action.payload)) {
        const raw = toHex(payload);
        const serialized = `0x02${raw.slice(2)}` as const;
        const sender = await recoverTransactionAddress({ serializedTransaction: serialized });
        const { nonce = 0 } = parseTransaction(serialized);
        payloads.push({ sender, nonce, hash: keccak256(payload) });
      }
    }
  }
  return { ids, payloads, bytes };
}

it("behavior: killed under traffic it executes every accepted transaction once, and pays once", async () => {
  const { publicKey } = readKeyFile(rollupHomeAt(alpha.home).gatewayKeyFile);
  const address = accountAddress(publicKey);
  const before = await node.client.account(address);
  const { baseFeePerByte } = await node.client.chainInfo();
  const accepted = new Set<Hex>();
  let isSending = true;
  const senders = [0, 1, 2].map((account) => sendAll(account, accepted));
  const sent = Promise.all(senders).finally(() => {
    isSending = false;
  });
  for (let kill = 1; kill <= KILLS; kill++) {
    const target = (kill * senders.length * TRANSACTIONS_PER_WALLET) / (KILLS + 1);
    await until(`${target} are accepted`, () => Promise.resolve(accepted.size >= target), 60_000);
    expect(isSending, "the traffic goes on").toBe(true);
    expect(await network.end(alpha.process, "SIGKILL")).toContain("SIGKILL");
    network.start(alpha.process);
  }
  await sent;
  expect(accepted.size).toBe(senders.length * TRANSACTIONS_PER_WALLET);
  for (const hash of accepted) {
    await until(`${hash} is executed`, async () => {
      const status = await call("weft_getTransactionStatus", [hash]);
      return JSON.stringify(status).includes('"state":"executed"');
    });
  }
  for (const account of [0, 1, 2]) {
    const { address: wallet } = privateKeyToAccount(EVM_DEV_ACCOUNTS[account]?.privateKey ?? "0x");
    const nonce = await call("eth_getTransactionCount", [wallet, "latest"]);
    expect(nonce).toBe(`0x${TRANSACTIONS_PER_WALLET.toString(16)}`);
  }

  const after = await node.client.account(address);
  const { ids, payloads, bytes } = await ordered(publicKey, before.height + 1, after.height);
  expect((await node.client.chainInfo()).baseFeePerByte).toBe(baseFeePerByte);
  expect(new Set(ids).size).toBe(ids.length);
  expect(before.balance - after.balance).toBe(BigInt(bytes) * baseFeePerByte);
  expect(new Set(payloads.map(({ hash }) => hash))).toEqual(accepted);
  // A place is paid for twice only where the first was too early to execute; never after it was executed.
  const nonces = new Map<string, number>();
  for (const { sender, nonce, hash } of payloads) {
    const next = nonces.get(sender) ?? 0;
    expect(nonce, `${hash} was ordered after it was executed`).toBeGreaterThanOrEqual(next);
    if (nonce === next) nonces.set(sender, next + 1);
  }
});

it("behavior: with a full disk it accepts nothing, and loses nothing that it accepted", async () => {
  const account = privateKeyToAccount(EVM_DEV_ACCOUNTS[1]?.privateKey ?? "0x");
  let nonce = TRANSACTIONS_PER_WALLET;
  const large = () =>
    account.signTransaction({
      chainId: Number(alpha.evmChainId),
      to: account.address,
      data: `0x${"00".repeat(100_000)}`,
      nonce,
      gas: 1_100_000n,
      maxFeePerGas: 10_000_000_000n,
      maxPriorityFeePerGas: 1n,
      type: "eip1559",
    });
  // With files that begin anew, none may grow beyond what two of these take in the journal.
  await network.end(alpha.process, "SIGKILL");
  network.start(alpha.process);
  await until("it is ready", async () => (await fetch(`${alpha.rpc}/readyz`)).ok);
  const pid = String(network.pid(alpha.process));
  execFileSync("prlimit", ["--pid", pid, `--fsize=${600 << 10}`]);
  const accepted: Hex[] = [];
  let refused: Hex = "0x";
  let refusal: string | undefined;
  while (refusal === undefined) {
    const raw = await large();
    const hash = keccak256(raw);
    const answer = await call("eth_sendRawTransaction", [raw]).catch(String);
    if (answer === hash) {
      accepted.push(hash);
      nonce += 1;
    } else [refused, refusal] = [raw, String(answer)];
  }
  expect(refusal).toContain("is the disk full?");
  expect(accepted.length).toBeGreaterThan(0);
  expect(await (await fetch(`${alpha.rpc}/readyz`)).text()).toContain("journal cannot be written");
  await network.end(alpha.process, "SIGKILL");
  network.start(alpha.process);
  // What was refused was not sent: with room it is a transaction like any other.
  await until("it takes what it refused", () => call("eth_sendRawTransaction", [refused]));
  for (const hash of [...accepted, keccak256(refused)]) {
    await until(`${hash} is executed`, async () => {
      const status = await call("weft_getTransactionStatus", [hash]);
      return JSON.stringify(status).includes('"state":"executed"');
    });
  }
});

it("behavior: tells where a transaction is, with a proof that only the validators have to be trusted for", async () => {
  const [{ privateKey }] = EVM_DEV_ACCOUNTS;
  const account = privateKeyToAccount(privateKey);
  const raw = await account.signTransaction({
    chainId: Number(alpha.evmChainId),
    to: account.address,
    nonce: TRANSACTIONS_PER_WALLET,
    gas: 21_000n,
    maxFeePerGas: 10_000_000_000n,
    maxPriorityFeePerGas: 1n,
    type: "eip1559",
  });
  const hash = keccak256(raw);
  expect(await call("weft_getTransactionStatus", [hash])).toMatchObject({ state: "unknown" });
  await call("eth_sendRawTransaction", [raw]);
  const status = await until("it is executed and has its proof", async () => {
    const answer = await call("weft_getTransactionStatus", [hash, { proof: true }]);
    const text = JSON.stringify(answer);
    if (!text.includes('"state":"executed"') || text.includes('"proof":null')) return undefined;
    if (typeof answer !== "object" || answer === null || !("proof" in answer)) return undefined;
    return answer;
  });
  const proof = transactionProofFromJson(status.proof);
  if (proof === undefined) throw new Error("expected a proof");
  const { chainId } = await node.client.chainInfo();
  const trust = {
    chainId,
    rollupId: RollupId(toHex(rollupIdOfName("alpha"))),
    validatorsHash: validatorSetHash(await node.client.validatorSet(Height(0))),
  };
  const signatures = createEd25519Verifier();
  const check = (one: typeof proof, of = hash) =>
    verifyTransactionProof(fromHex(of.slice(2)), one, trust, signatures);
  const proven = await check(proof);
  if ("code" in proven) throw new Error(`${proven.code}: ${proven.reason}`);
  expect(status).toMatchObject({
    height: `0x${proven.header.height.toString(16)}`,
    position: `0x${proven.position.toString(16)}`,
    index: `0x${(proven.index ?? -1).toString(16)}`,
  });
  // Of anything else it is no proof.
  const other = keccak256("0x01");
  expect(await check(proof, other)).toMatchObject({ code: "PROOF_OTHER_TRANSACTION" });
  for (const field of ["signedHeader", "validatorSet", "manifest", "payload"] as const) {
    // In the middle of a hash, a key or an entry: priorities at the end of a set are not hashed.
    const changed = proof[field].slice();
    const at = Math.min(20, changed.length - 1);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(await check({ ...proof, [field]: changed }), field).toHaveProperty("code");
  }
  expect(await check({ ...proof, position: proof.position + 1 })).toHaveProperty("code");
  const metrics = await (await fetch(alpha.metrics)).text();
  expect(metrics).toContain("weft_gateway_recovered_total");
});
