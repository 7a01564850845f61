import { expect, test } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { EMPTY_BYTES, toHex } from "../../../proto/bytes.ts";
import { SealedItemKind, type SealedItemState } from "../../../proto/codec/seal-state.ts";
import { rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import { sha256 } from "../../../proto/hash.ts";
import { bundleOf } from "../../../test/support/bundles.ts";
import { createStakingContext } from "../../../test/support/staking-context.ts";
import {
  decodedTx,
  signedItem,
  transferTo,
  unordered,
  wallet,
} from "../../../test/support/weft-app.ts";
import { event, plain } from "../abci-event.ts";
import { BID_LOST, BID_WON } from "../auction/events.ts";
import { type CodeName, failure } from "../codes.ts";
import type { DecodedTx } from "../execution/decoded-tx.ts";
import { SEAL_EXPIRED, SEAL_OPENED } from "../seal/events.ts";
import { numberKey, SEALED } from "../state/tables.ts";
import { BundleGauges } from "./bundle-gauges.ts";

const [ALPHA, BETA] = [rollupIdOfName("alpha"), rollupIdOfName("beta")];
const HEIGHT = 7;

function counting() {
  const shown: Record<string, number> = {};
  const count = (name: string) => {
    shown[name] = (shown[name] ?? 0) + 1;
  };
  const gauges = new BundleGauges({
    bundleStates: { inc: (labels) => count(labels?.state ?? "") },
  });
  return { gauges, shown };
}

function txOf(action: Parameters<typeof signedItem>[2]): DecodedTx {
  return decodedTx(signedItem(wallet(0), unordered(60), action));
}

const idOf = (n: number) => sha256(Uint8Array.of(n));
const bundle = txOf(bundleOf([{ rollup: "alpha" }]));

/** A sealed item of `HEIGHT` at position `n` of both rollups. */
function sealed(n: number, kind: SealedItemKind): SealedItemState {
  return {
    index: n,
    id: idOf(n),
    sender: wallet(0).address,
    kem: new Uint8Array(192),
    body: new Uint8Array(272),
    label: EMPTY_BYTES,
    places: [ALPHA, BETA].map((rollupId) => ({ rollupId, position: n })),
    fee: 0n,
    bond: 0n,
    disputedHeight: Height(0),
    disputedBy: EMPTY_BYTES,
    kind,
    tips: [],
    group: EMPTY_BYTES,
    proposer: EMPTY_BYTES,
  };
}

function world(...kinds: readonly SealedItemKind[]) {
  const ctx = createStakingContext({ height: HEIGHT });
  const items = kinds.map((kind, n) => sealed(n, kind));
  ctx.records.set(SEALED, numberKey(HEIGHT), { key: 1, items });
  const { gauges, shown } = counting();
  gauges.advance(HEIGHT, [bundle], [], ctx);
  const about = (type: string, n: number) => event(type, [plain("id", toHex(idOf(n)))]);
  const later = (events: Parameters<BundleGauges["advance"]>[2]) =>
    gauges.advance(HEIGHT + 2, [], events, ctx);
  return { shown, about, later };
}

test("counts what bundles and bids come to in blocks, and nothing of others", () => {
  const { BUNDLE, BID, SEALED: PLAIN } = SealedItemKind;
  const { shown, about, later } = world(BUNDLE, BUNDLE, BID, BID, PLAIN);
  expect(shown).toEqual({ INCLUDED: 1, SEALED: 4 });
  later([
    [about(SEAL_OPENED, 0), about(SEAL_EXPIRED, 1), about(SEAL_OPENED, 2), about(SEAL_OPENED, 3)],
    [about(SEAL_OPENED, 4), about(BID_WON, 2), about(BID_LOST, 3)],
  ]);
  expect(shown).toEqual({ INCLUDED: 3, SEALED: 4, EXPIRED: 1, REVEALED: 2, LOST_AUCTION: 1 });
});

test("counts what pools let go of, by why", () => {
  const { gauges, shown } = counting();
  const codes: readonly CodeName[] = [
    "BUNDLE_SUPERSEDED",
    "BUNDLE_CANCELLED",
    "BUNDLE_LATE",
    "POOL_EVICTED",
  ];
  for (const code of codes) gauges.dropped(bundle, failure(code));
  gauges.dropped(txOf(transferTo(wallet(1).address, 1n)), failure("POOL_EVICTED"));
  expect(shown).toEqual({ REPLACED: 1, CANCELLED: 1, EXPIRED: 1, INVALID: 1 });
});
