import type { Command } from "commander";
import { PLAIN_POLICY, type RollupPolicy } from "../../../proto/codec/rollup-policy.ts";
import { rollupData, rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import {
  addTxOptions,
  parseAccount,
  parseNweft,
  parseCount,
  parseHexBytes,
  parseRollupName,
} from "../options.ts";
import { addPayloadOptions, type PayloadOptions, payloadsOf } from "../payload-options.ts";
import { sendTx, type TxOptions } from "../send-tx.ts";
import { registerGovernanceTx } from "./tx-gov.ts";
import { registerSealTx } from "./tx-seal.ts";
import { registerStakingTx } from "./tx-staking.ts";

export function registerTx(program: Command): void {
  const tx = program.command("tx").description("sign and submit transactions");
  addTxOptions(
    tx
      .command("transfer")
      .description("send nweft to an account")
      .argument("<to>", "weft1..., or a public key in hex", parseAccount)
      .argument("<amount>", "nweft", parseNweft),
  ).action((to: Uint8Array, amount: bigint, options: TxOptions, command: Command) =>
    sendTx(options, command, () => ({ kind: "transfer", to, amount })),
  );
  addPayloadOptions(
    tx
      .command("rollup-data")
      .description("put data into a rollup's order: hex arguments, or files with --file"),
  ).action((name: string, hex: Uint8Array[], options: PayloadOptions, command: Command) =>
    sendTx({ ...options, rollupName: name }, command, () =>
      rollupData(rollupIdOfName(name), payloadsOf(hex, options)),
    ),
  );
  addPolicyOptions(
    addTxOptions(
      tx
        .command("register-rollup")
        .description("register a rollup; its deposit is taken from the account")
        .argument("<name>", "1-64 characters of a-z, 0-9 and -", parseRollupName)
        .option(
          "--owner <hex>",
          "owner key, 32 bytes; default: the signing key",
          parseHexBytes(32),
        ),
    ),
  ).action(
    (
      name: string,
      options: TxOptions & PolicyOptions & { readonly owner?: Uint8Array },
      command: Command,
    ) =>
      sendTx(options, command, (key) => ({
        kind: "registerRollup",
        name,
        policy: policyOf(options),
        ownerKey: options.owner ?? key.publicKey,
      })),
  );
  addPolicyOptions(
    addTxOptions(
      tx
        .command("update-rollup")
        .description("change a rollup's policy or owner; signed by the owner key")
        .argument("<name>", "name of the rollup", parseRollupName)
        .option("--new-owner <hex>", "new owner key, 32 bytes", parseHexBytes(32)),
    ),
  ).action(
    (
      name: string,
      options: TxOptions & PolicyOptions & { readonly newOwner?: Uint8Array },
      command: Command,
    ) =>
      sendTx({ ...options, rollupName: name }, command, () => ({
        kind: "updateRollup",
        rollupId: rollupIdOfName(name),
        policy: policyOf(options),
        newOwnerKey: options.newOwner ?? new Uint8Array(0),
      })),
  );
  registerSealTx(tx);
  registerStakingTx(tx);
  registerGovernanceTx(tx);
}

interface PolicyOptions {
  readonly revenueShareBps: number;
}

function addPolicyOptions(command: Command): Command {
  return command.option(
    "--revenue-share-bps <n>",
    "share of its revenue that goes to the rollup, in basis points",
    parseCount(0, 10_000),
    8_000,
  );
}

function policyOf(options: PolicyOptions): RollupPolicy {
  return {
    ...PLAIN_POLICY,
    sealedOnly: false,
    auction: false,
    reserve: 0n,
    revenueShareBps: options.revenueShareBps,
    executorKeys: [],
  };
}
