/** A validator that joins late, or sleeps, fetches what it missed and validates again. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createTestNetwork,
  height,
  metric,
  rpc,
  type TestNetwork,
  type TestValidator,
  until,
  untilHeight,
  validatorAt,
} from "../support/local-network.ts";

const HEIGHT = 300;
const MISSED = 50;

interface Status {
  readonly validator_info: { readonly address: string };
  readonly sync_info: { readonly catching_up: boolean; readonly latest_block_height: string };
}
interface Commit {
  readonly signed_header: {
    readonly header: { readonly app_hash: string };
    readonly commit: {
      readonly block_id: { readonly hash: string };
      readonly signatures: readonly { readonly validator_address: string }[];
    };
  };
}

let network: TestNetwork;

beforeAll(async () => {
  network = await createTestNetwork({
    config: {
      "consensus.timeout_commit": "0s",
      // Nobody waits long for the proposals of the one who is not there.
      "consensus.timeout_propose": "300ms",
    },
  });
});
afterAll(() => network.close());

const validator = (index: number) => validatorAt(network, index);
const others = () => network.validators.slice(0, 3);
const late = () => validator(3);
const status = (place: TestValidator) => rpc<Status>(place, "status");
const commitAt = (place: TestValidator, at: number) =>
  rpc<Commit>(place, "commit", { height: String(at) });

/** Blocks, state and log are gone; what it has signed is not, as an operator must see to. */
function emptyDisk({ home }: TestValidator): void {
  const data = join(home, "data");
  for (const name of readdirSync(data)) {
    if (name !== "priv_validator_state.json") rmSync(join(data, name), { recursive: true });
  }
}

/** Resolves with a height after `from` whose commit holds the late validator's signature. */
async function untilItSigns(from: number): Promise<number> {
  const { validator_info } = await status(late());
  let at = from;
  return await until(
    `a commit after ${from} holds its signature`,
    async () => {
      const { signed_header } = await commitAt(validator(0), at + 1);
      at += 1;
      const { signatures } = signed_header.commit;
      const isThere = signatures.some(
        ({ validator_address }) => validator_address === validator_info.address,
      );
      return isThere && at;
    },
    60_000,
  );
}

async function expectSameBlocks(heights: readonly number[]): Promise<void> {
  for (const at of heights) {
    const [ours, theirs] = await Promise.all([commitAt(late(), at), commitAt(validator(0), at)]);
    expect(ours.signed_header.header, `block ${at}`).toEqual(theirs.signed_header.header);
    expect(ours.signed_header.commit.block_id).toEqual(theirs.signed_header.commit.block_id);
  }
}

describe("a validator that is behind", () => {
  it("joins a chain of 300 blocks with an empty disk, and validates", async () => {
    network.start();
    await untilHeight(others(), HEIGHT, 150_000);
    await network.end(late().name, "SIGKILL");
    emptyDisk(late());
    // While nobody answers it must say that it catches up, and sign nothing.
    for (const { name } of others()) process.kill(network.pid(name), "SIGSTOP");
    network.start(late().name);
    const waiting = await until("its RPC answers", () => status(late()));
    expect(waiting.sync_info).toMatchObject({ catching_up: true, latest_block_height: "0" });
    for (const { name } of others()) process.kill(network.pid(name), "SIGCONT");
    const caughtUp = await until(
      "it has caught up",
      async () => {
        const { sync_info } = await status(late());
        return !sync_info.catching_up && Number(sync_info.latest_block_height);
      },
      60_000,
    );
    expect(caughtUp).toBeGreaterThanOrEqual(HEIGHT - 5);
    expect(await metric(late().metrics, "weft_blocksync_blocks_total")).toBeGreaterThan(
      HEIGHT - 10,
    );
    expect(await metric(late().metrics, "cometbft_blocksync_syncing")).toBe(0);
    const signed = await untilItSigns(caughtUp);
    await expectSameBlocks([1, 2, 150, HEIGHT, signed]);
  });

  it("returns to block sync after a long sleep, and validates again", async () => {
    const before = await height(late());
    const pid = network.pid(late().name);
    process.kill(pid, "SIGSTOP");
    await untilHeight(others(), before + MISSED, 150_000);
    process.kill(pid, "SIGCONT");
    await untilHeight([late()], before + MISSED, 60_000);
    expect(await metric(late().metrics, "weft_blocksync_returns_total")).toBeGreaterThan(0);
    await until("it decides again", async () => !(await status(late())).sync_info.catching_up);
    const signed = await untilItSigns(await height(late()));
    await expectSameBlocks([before + 1, before + MISSED, signed]);
  });
});
