/**
 * A transaction that one validator has and gossips to nobody: it lists it in its vote, the others see that in
 * the state, fetch it from it by id, and propose it. On the embedded engine over channel 0x72, under CometBFT
 * over the gRPC of `mev.body_peers`.
 */
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import { ed25519Address } from "../../proto/verify/ed25519.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import {
  createTestNetwork,
  metric,
  rpc,
  type TestNetwork,
  type TestValidator,
  untilHeight,
  validatorAt,
} from "../support/local-network.ts";
import { sendOne } from "../support/traffic.ts";

/**
 * One proposes every fifth block. What comes to it right after its own is listed in the vote on the second one
 * from there and tallied in the third, so that whoever proposes the fourth has it.
 */
const VALIDATORS = 5;
const SENT_MAX = 40;

let network: TestNetwork;

beforeAll(async () => {
  network = await createTestNetwork({
    validators: VALIDATORS,
    config: { "mempool.broadcast": false },
  });
  await network.startAll();
});
afterEach(async ({ task }) => {
  if (task.result?.state === "fail") process.stderr.write(await network.report());
});
afterAll(() => network.close());

async function proposerOf(node: TestValidator, height: number): Promise<string> {
  interface Block {
    readonly block: { readonly header: { readonly proposer_address: string } };
  }
  const { block } = await rpc<Block>(node, "block", { height: String(height) });
  return block.header.proposer_address;
}

it("is fetched by those who see it listed, and stands in a block of one of them", async () => {
  const holder = validatorAt(network, VALIDATORS - 1);
  const { publicKey } = readKeyFile(homeAt(holder.home).validatorKeyFile);
  const own = toHex(ed25519Address(publicKey)).toUpperCase();
  await untilHeight(network.validators, 3);
  const proposers: string[] = [];
  while (proposers.every((proposer) => proposer === own)) {
    expect(proposers.length, "transactions that only their holder proposed").toBeLessThan(SENT_MAX);
    const to = accountAddress(network.owner.publicKey);
    const action = { kind: "transfer", to, amount: 1n } as const;
    const options = { clients: [holder.client], key: network.owner };
    const { height } = await sendOne(options, 0, action);
    proposers.push(await proposerOf(holder, height));
  }
  expect(await metric(holder.metrics, "weft_mev_bodies_served_total")).toBeGreaterThan(0);
});
