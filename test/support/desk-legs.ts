/** Legs of atomic bundles on an EVM rollup, as `weft rollup conformance --legs` takes them. */
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { toHex } from "../../proto/bytes.ts";
import { SIBLING } from "../../rollup-adapter/conformance/bundle-height.ts";
import type { LegMaterial } from "../../rollup-adapter/conformance/payloads.ts";
import { atomicGenesis, DESK, deskPayloads, deskTransaction } from "./atomic-evm.ts";
import { ALICE, BOB } from "./evm-rollup.ts";
import { deskCall, expectedPayment, type SwapSide } from "./swap-desk.ts";
import type { EvmGenesis } from "../../rollup-adapter/evm/genesis.ts";

const LEGS = 12;
const RICH = { balance: "1000000000000000000000" };

/** Who makes the legs: each has one, so that they touch nothing in common. */
const PAYERS: readonly PrivateKeyAccount[] = Array.from({ length: LEGS }, (_, index) =>
  privateKeyToAccount(`0x${(index + 1).toString(16).padStart(2, "0").repeat(32)}`),
);
/** Who has plain transactions alone. */
export const CAROL: PrivateKeyAccount = privateKeyToAccount(`0x${"ca".repeat(32)}`);

export function deskLegsGenesis(): EvmGenesis {
  const accounts = [ALICE, BOB, CAROL, ...PAYERS];
  const alloc = Object.fromEntries(accounts.map(({ address }) => [address, RICH]));
  return atomicGenesis({ alloc });
}

/** Every third swaps with the other rollup of the bundle, so that there are messages both ways. */
export async function deskLegs(): Promise<LegMaterial> {
  const mints: Uint8Array[] = [];
  for (const [index, { address }] of PAYERS.entries()) {
    mints.push(await deskTransaction(ALICE, 3 + index, deskCall.mint(address, 1_000n)));
  }
  const legs: Uint8Array[][] = [];
  for (const [index, payer] of PAYERS.entries()) {
    const payee: `0x${string}` = `0x${(0xbeef00 + index).toString(16).padStart(40, "0")}`;
    if (index % 3 !== 0) {
      legs.push([await deskTransaction(payer, 0, deskCall.transfer(payee, 5n))]);
      continue;
    }
    const side: SwapSide = {
      rollup: `0x${toHex(SIBLING)}`,
      desk: `0x${"de".repeat(20)}`,
      session: `0x${index.toString(16).padStart(64, "0")}`,
      other: payee,
      give: 5n,
      take: 7n,
    };
    const message = expectedPayment(side, { desk: DESK, payee: payer.address });
    legs.push([message, await deskTransaction(payer, 0, deskCall.swap(side))]);
  }
  return { first: [await deskPayloads(), mints], legs };
}
