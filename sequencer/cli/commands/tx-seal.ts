/** `weft tx seal`, `self-reveal`, `commit`, `reveal`: data that nobody reads before its place is final. */
import { rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import { COMMIT_SALT_BYTES, commitHash } from "../../../mev/seal/commit.ts";
import { encodeContent } from "../../../mev/seal/content.ts";
import { createGroup } from "../../../mev/seal/group/group.ts";
import { sealContent } from "../../../mev/seal/sealed-content.ts";
import { createTdh2 } from "../../../mev/seal/tdh2.ts";
import { Height } from "../../../proto/brands.ts";
import { fromHex, toHex } from "../../../proto/bytes.ts";
import { SEAL_BUCKET_MAX, SEAL_BUCKETS } from "../../../proto/codec/seal-tx.ts";
import { accountAddress, rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import { isWeftError } from "../../../proto/errors.ts";
import { sealingTerms, sealRandomness } from "../../../rollup-adapter/client/seal-transaction.ts";
import { SEALED_BLOCKS_MAX } from "../../../rollup-adapter/limits.ts";
import { cliError } from "../cli-error.ts";
import { addTxOptions, parseCount, parseHexBytes } from "../options.ts";
import { addPayloadOptions, type PayloadOptions, payloadsOf } from "../payload-options.ts";
import { sendTx, type TxOptions } from "../send-tx.ts";
import { shellWord } from "../../ports/shell-word.ts";

export function registerSealTx(tx: Command): void {
  addPayloadOptions(
    tx
      .command("seal")
      .description(
        "put data into a rollup's order that validators open when its place is final, such as a raw Ethereum transaction: hex arguments, or files with --file",
      ),
  ).action(async (name: string, hex: Uint8Array[], options: PayloadOptions, command: Command) => {
    const parts = partsOf(name, hex, options);
    const tdh2 = createTdh2(createGroup());
    const randomness = sealRandomness();
    const { seed } = randomness;
    await sendTx(
      { ...options, rollupName: name, isSealed: true },
      command,
      async ({ publicKey }, chainId, { replay, fee, client }) => {
        const key = await client.sealKey();
        return orUsage(() => {
          const sealed = { chainId, publicKey, ...sealingTerms(key), replay, fee, parts };
          return sealContent(tdh2, sealed, randomness);
        });
      },
      (_ids, status) => {
        if (status?.sealing?.state === "opened") return {};
        if (status === undefined && options.wait) {
          process.stderr.write(
            `until validators have opened it, keep its seed, which opens it: ${toHex(seed)}\n`,
          );
        }
        return { seed: toHex(seed) };
      },
    );
  });
  addTxOptions(
    tx
      .command("self-reveal")
      .description("open a sealed transaction that validators have not opened, with its seed")
      .argument("<height>", "block that ordered it", parseCount(1, Number.MAX_SAFE_INTEGER))
      .argument("<id>", "its transaction id, 32 bytes in hex", parseHexBytes(32))
      .argument("<seed>", "what weft tx seal printed, 32 bytes in hex", parseHexBytes(32)),
  ).action(
    (height: number, id: Uint8Array, seed: Uint8Array, options: TxOptions, command: Command) =>
      sendTx(options, command, () => ({ kind: "selfReveal", height: Height(height), id, seed })),
  );
  registerCommits(tx);
}

/** The way that needs no key: a place for data whose hash alone is known, and a bond until it is shown. */
function registerCommits(tx: Command): void {
  addPayloadOptions(
    tx
      .command("commit")
      .description(
        "put data into a rollup's order that you show later, with weft tx reveal: for when no sealed transactions are taken; a bond is held until then, and lost if you do not",
      )
      .requiredOption("--out <path>", "new file for what the reveal needs; keep it"),
  ).action(
    async (
      name: string,
      hex: Uint8Array[],
      options: PayloadOptions & { readonly out: string },
      command: Command,
    ) => {
      const content = orUsage(() => encodeContent(partsOf(name, hex, options)));
      const bucket = SEAL_BUCKETS.find((size) => content.length <= size);
      if (bucket === undefined) {
        const what = `the content has ${content.length} bytes, at most ${SEAL_BUCKET_MAX}`;
        throw cliError("USAGE", what);
      }
      const salt = new Uint8Array(randomBytes(COMMIT_SALT_BYTES));
      const file = { salt: toHex(salt), content: toHex(content) };
      let isTaken = true;
      const sent = sendTx(
        { ...options, rollupName: name },
        command,
        ({ publicKey }, chainId, { height }) => {
          // Before anything is sent: without it the bond would be lost.
          writeNew(options.out, toText({ chain_id: chainId, ...file }));
          isTaken = false;
          return {
            kind: "sealCommit",
            hash: commitHash(chainId, accountAddress(publicKey), salt, content),
            rollupIds: [rollupIdOfName(name)],
            maxHeight: Height(height + SEALED_BLOCKS_MAX),
            bucket,
          };
        },
        ({ chainId, id }, status) => {
          isTaken = true;
          const at = status === undefined ? {} : { height: status.height };
          writeFileSync(options.out, toText({ chain_id: chainId, id, ...at, ...file }));
          const { out, from, node } = options;
          return {
            reveal: `weft tx reveal ${shellWord(out)} --from ${shellWord(from)} --node ${shellWord(node)}`,
          };
        },
      );
      try {
        await sent;
      } catch (error) {
        // Refused by the node that was asked: no bond is held, and the name is free for another try.
        if (!isTaken && isRefusal(error)) rmSync(options.out, { force: true });
        throw error;
      }
    },
  );
  addTxOptions(
    tx
      .command("reveal")
      .description("show the data of a commit; the bond comes back")
      .argument("<file>", "what weft tx commit wrote"),
  ).action(async (path: string, options: TxOptions, command: Command) => {
    const { readCommit } = await import("../commit-file.ts");
    const file = readCommit(path);
    const id = fromHex(file.id);
    return sendTx(options, command, async (_key, chainId, { client }) => {
      if (chainId !== file.chain_id) {
        throw cliError("USAGE", `${path} is of the chain ${file.chain_id}, the node of ${chainId}`);
      }
      const height = file.height ?? (await client.transactionStatus(id)).height;
      if (height === 0) {
        throw cliError("NOT_FOUND", `the node knows no block with the commit ${file.id} yet`);
      }
      return {
        kind: "reveal",
        height: Height(height),
        id,
        salt: fromHex(file.salt),
        content: fromHex(file.content),
      };
    });
  });
}

function isRefusal(error: unknown): boolean {
  return isWeftError(error) && error.code === "REJECTED";
}

function writeNew(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: "wx", mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    throw cliError(
      "FILE",
      `${path} is there already, perhaps of a commit that waits; name another`,
    );
  }
}

function toText(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

function partsOf(name: string, hex: readonly Uint8Array[], options: PayloadOptions) {
  return [{ rollupId: rollupIdOfName(name), data: payloadsOf(hex, options) }];
}

/** What the format, or the chain as it is, does not allow is no fault of this program. */
function orUsage<Value>(make: () => Value): Value {
  try {
    return make();
  } catch (error) {
    if (!isWeftError(error)) throw error;
    if (error.code === "SEAL_CLOSED") throw cliError("REJECTED", error.message, error);
    const max = `${SEAL_BUCKET_MAX} bytes with what stands around it`;
    const why = `the data does not fit one transaction, which has room for ${max}`;
    throw cliError("USAGE", `${why} (${error.message}); split it`, error);
  }
}
