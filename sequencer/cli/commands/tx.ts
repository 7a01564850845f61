import type { Command } from "commander";
import { PLAIN_POLICY, type RollupPolicy } from "../../../proto/codec/rollup-policy.ts";
import { rollupData, rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import {
  addTxOptions,
  parseAccount,
  parseNweft,
  parseHexBytes,
  parseRollupName,
} from "../options.ts";
import { addPayloadOptions, type PayloadOptions, payloadsOf } from "../payload-options.ts";
import { addPolicyOptions, type PolicyOptions, policyOf } from "../policy-options.ts";
import { sendTx, type TxOptions } from "../send-tx.ts";
import { registerGovernanceTx } from "./tx-gov.ts";
import { registerMevTx } from "./tx-mev.ts";
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
        policy: policyOf(NEW_POLICY, options),
        ownerKey: options.owner ?? key.publicKey,
      })),
  );
  addPolicyOptions(
    addTxOptions(
      tx
        .command("update-rollup")
        .description("change of a rollup's policy or owner what is named; signed by the owner key")
        .argument("<name>", "name of the rollup", parseRollupName)
        .option("--new-owner <hex>", "new owner key, 32 bytes", parseHexBytes(32)),
    ),
  ).action(
    (
      name: string,
      options: TxOptions & PolicyOptions & { readonly newOwner?: Uint8Array },
      command: Command,
    ) =>
      sendTx(
        { ...options, rollupName: name },
        command,
        async (_key, _chainId, { client }) => {
          const { policy, pending } = await client.rollup(name);
          return {
            kind: "updateRollup",
            rollupId: rollupIdOfName(name),
            policy: policyOf(pending?.policy ?? policy, options),
            newOwnerKey: options.newOwner ?? new Uint8Array(0),
          };
        },
        async (_ids, status, client) => {
          if (status === undefined) return {};
          const { pending } = await client.rollup(name);
          return pending === undefined ? {} : { inForceAt: pending.height };
        },
      ),
  );
  registerSealTx(tx);
  registerMevTx(tx);
  registerStakingTx(tx);
  registerGovernanceTx(tx);
}

/** Of a rollup whose options say nothing of its policy. */
const NEW_POLICY: RollupPolicy = { ...PLAIN_POLICY, revenueShareBps: 8_000 };
