/** Commit and reveal from the command line, on a network without a key for sealed transactions. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPublicClient, http, keccak256, parseEther } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import { EVM_DEV_ACCOUNTS } from "../../sequencer/cli/local-network.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import {
  ENTRY,
  type TestNetwork,
  type TestRollup,
  type TestValidator,
  until,
  validatorAt,
} from "../support/local-network.ts";
import { orderFault } from "../support/seal-orders.ts";
import { createSealedNetwork } from "../support/sealed-network.ts";

let network: TestNetwork;
let node: TestValidator;
let alpha: TestRollup;

beforeAll(async () => {
  network = await createSealedNetwork({
    validators: 1,
    rollups: ["alpha"],
    faulty: [0],
    // Blocks are quick here, and a command takes a second to start.
    params: { seal_reveal_blocks: 1_000 },
  });
  node = validatorAt(network, 0);
  // It keeps its own registration for a key out of its blocks, so that there is none.
  const { publicKey } = readKeyFile(homeAt(node.home).applicationKeyFile);
  orderFault(node, { fault: "censors", censored: toHex(publicKey) });
  await network.startAll();
  const [rollup] = network.rollups;
  if (rollup === undefined) throw new Error("no rollup");
  alpha = rollup;
});
afterAll(() => network.close());

/** A command that succeeds, with `--json`. */
async function weft(...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  return await new Promise((resolve, reject) => {
    execFile(process.execPath, [ENTRY, "--json", ...args], (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout) as Readonly<Record<string, unknown>>);
      else reject(new Error(stderr));
    });
  });
}

it("behavior: while there is no key the command line commits a raw Ethereum transaction, and reveals it", async () => {
  const at = ["--node", node.grpc, "--from", network.ownerKeyFile] as const;
  const [account] = EVM_DEV_ACCOUNTS;
  if (account === undefined) throw new Error("no account");
  const raw = await privateKeyToAccount(account.privateKey).signTransaction({
    to: "0x00000000000000000000000000000000000000aa",
    value: parseEther("1"),
    nonce: 0,
    gas: 21_000n,
    maxFeePerGas: 10_000_000_000n,
    maxPriorityFeePerGas: 1n,
    chainId: Number(alpha.evmChainId),
    type: "eip1559",
  });
  const folder = mkdtempSync(join(tmpdir(), "weft-commit-"));
  try {
    await expect(weft("tx", "seal", "alpha", raw, ...at)).rejects.toThrow(/there is no key yet/);
    const file = join(folder, "commit.json");
    const refused = weft("tx", "commit", "nobody", raw, "--out", file, ...at);
    await expect(refused).rejects.toThrow(/the rollup is not registered: nobody/);
    // What the node refused holds no bond, and its file would only be in the way.
    expect(existsSync(file)).toBe(false);
    const commit = await weft("tx", "commit", "alpha", raw, "--out", file, ...at);
    expect(commit).toMatchObject({ state: "committed", sealing: { state: "sealed" } });
    expect(await weft("tx", "reveal", file, ...at)).toMatchObject({ state: "committed" });
    await expect(weft("tx", "reveal", file, ...at)).rejects.toThrow(/is revealed, or void, or/);
    const reader = createPublicClient({ transport: http(alpha.rpc), cacheTime: 0 });
    const { status } = await until("the rollup has executed it", () =>
      reader.getTransactionReceipt({ hash: keccak256(raw) }),
    );
    expect(status).toBe("success");
    const told = await weft("query", "tx", String(commit["id"]), "--node", node.grpc);
    expect(told).toMatchObject({ state: "committed", sealing: { state: "opened" } });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
