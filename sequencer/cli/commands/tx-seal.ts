/** `weft tx seal`, `weft tx self-reveal`: data that nobody reads before its place is final. */
import { readFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import { createGroup } from "../../../mev/seal/group/group.ts";
import { sealContent } from "../../../mev/seal/sealed-content.ts";
import { createTdh2, NONCE_BYTES, SEED_BYTES } from "../../../mev/seal/tdh2.ts";
import { Height } from "../../../proto/brands.ts";
import { toHex } from "../../../proto/bytes.ts";
import { rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import { isWeftError } from "../../../proto/errors.ts";
import { sealingTerms } from "../../../rollup-adapter/client/seal-transaction.ts";
import { cliError } from "../cli-error.ts";
import { addTxOptions, parseCount, parseHexBytes, parseRollupName } from "../options.ts";
import { sendTx, type TxOptions } from "../send-tx.ts";

interface SealOptions extends TxOptions {
  readonly file?: readonly string[];
}

export function registerSealTx(tx: Command): void {
  addTxOptions(
    tx
      .command("seal")
      .description(
        "put data into a rollup's order that validators open when its place is final, such as a raw Ethereum transaction: hex arguments, or files with --file",
      )
      .argument("<rollup>", "name of the rollup", parseRollupName)
      .argument("[data...]", "payloads in hex", appendHex, [])
      .option("--file <paths...>", "payloads read from files"),
  ).action(async (name: string, hex: Uint8Array[], options: SealOptions, command: Command) => {
    const files = (options.file ?? []).map((path) => new Uint8Array(readFileSync(path)));
    const data = [...hex, ...files];
    if (data.length === 0) throw cliError("USAGE", "nothing to seal: give hex or --file");
    const tdh2 = createTdh2(createGroup());
    const seed = new Uint8Array(randomBytes(SEED_BYTES));
    await sendTx(
      { ...options, rollupName: name, isSealed: true },
      command,
      async ({ publicKey }, chainId, { replay, fee, client }) => {
        const terms = termsOf(await client.sealKey());
        const parts = [{ rollupId: rollupIdOfName(name), data }];
        const nonce = new Uint8Array(randomBytes(NONCE_BYTES));
        const sealed = { chainId, publicKey, ...terms, replay, fee, parts };
        return sealContent(tdh2, sealed, { seed, nonce });
      },
      // Of use until it is opened: with it the sender opens it alone.
      (status) => (status?.sealing?.state === "opened" ? {} : { seed: toHex(seed) }),
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
}

function termsOf(answer: Parameters<typeof sealingTerms>[0]) {
  try {
    return sealingTerms(answer);
  } catch (error) {
    if (isWeftError(error)) throw cliError("REJECTED", error.message);
    throw error;
  }
}

function appendHex(text: string, previous: Uint8Array[]): Uint8Array[] {
  return [...previous, parseHexBytes(undefined)(text)];
}
