/** Validators halt a live network by vote: no block follows, nodes say why, and go on when operators say so. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ed25519Address } from "../../proto/verify/ed25519.ts";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import { configureHome } from "../support/home-changes.ts";
import {
  createTestNetwork,
  height,
  type TestNetwork,
  until,
  untilHeight,
} from "../support/local-network.ts";
import { sendOne } from "../support/traffic.ts";

const HALTED = /halted the chain after block (\d+); .*--resume-after-halt \1\b/;

let network: TestNetwork;

beforeAll(async () => {
  network = await createTestNetwork({ validators: 2 });
  await network.startAll();
});
afterAll(() => network.close());

it("stops after the block that reaches the supermajority, with its reason, and is resumed", async () => {
  const { validators } = network;
  const [first] = validators;
  if (first === undefined) throw new Error("there are two validators");
  const clients = [first.client];
  for (const { home } of validators) {
    const { applicationKeyFile, validatorKeyFile } = homeAt(home);
    const operator = readKeyFile(applicationKeyFile);
    const to = accountAddress(operator.publicKey);
    await sendOne({ clients, key: network.owner }, 0, {
      kind: "transfer",
      to,
      amount: 10_000_000n,
    });
    const validator = ed25519Address(readKeyFile(validatorKeyFile).publicKey);
    const vote = { kind: "voteHalt", validator, halt: true } as const;
    await sendOne({ clients, key: operator }, 0, vote);
  }
  // Whoever is to propose next says why it does not.
  const halted = await until("a node says that the chain is halted", async () => {
    const logs = validators.map(({ home }) => readFileSync(join(home, "node.log"), "utf8"));
    return HALTED.exec(logs.join("\n"))?.[1];
  });
  for (const place of validators) expect(await height(place)).toBe(Number(halted));

  for (const place of validators) {
    expect(await network.end(place.name, "SIGTERM")).toBe("ended with exit code 0");
    configureHome(place, { resume_after_halt: Number(halted) });
  }
  network.start();
  await untilHeight(validators, Number(halted) + 2, 60_000);
}, 120_000);
