/** A stream of thousands of heights whose validator set changes every few of them, with real signatures. */
import { createManifestBuilder } from "../../mev/manifest.ts";
import { Height } from "../../proto/brands.ts";
import { sha256 } from "../../proto/hash.ts";
import { dataHash } from "../../proto/hashes.ts";
import { merkleProofOfFirst } from "../../proto/merkle.ts";
import type { Header } from "../../proto/types.ts";
import type { TrustedState } from "../../rollup-adapter/client/header-chain.ts";
import type { HeaderUpdate } from "../../rollup-adapter/client/header-follower.ts";
import type { RollupBlock } from "../../rollup-adapter/client/rollup-block.ts";
import { LIGHT_CHAIN_ID, lightChain, type LightChain, type LightChainPlan } from "./light-chain.ts";

/** Heights for which one set is in office; then one of its four members gives way to another. */
export const TERM_HEIGHTS = 3;

/** The item of a block that holds nothing for anybody. */
const EMPTY_MANIFEST = createManifestBuilder().build().item;
const EMPTY_DATA_HASH = dataHash([EMPTY_MANIFEST]);

export const membersAt = (height: number): readonly number[] => {
  const term = Math.floor(height / TERM_HEIGHTS);
  return [0, 1, 2, 3].map((place) => term + place);
};

export function longChain(heights: number, plan: Partial<LightChainPlan> = {}): LightChain {
  const { change = (header: Header) => header, ...rest } = plan;
  return lightChain({
    heights,
    validators: membersAt,
    change: (header) => change({ ...header, dataHash: EMPTY_DATA_HASH }),
    ...rest,
  });
}

/** What a stream that begins at `from` sends of that height: the set first, and where it changes. */
export function messageAt(chain: LightChain, height: number, from: number): RollupBlock {
  const { signedHeader, validatorSet } = chain.at(height);
  const isSame = height > from && height % TERM_HEIGHTS !== 0;
  return {
    height: Height(height),
    signedHeader,
    validatorSet: isSame ? undefined : validatorSet,
    slice: {
      manifest: EMPTY_MANIFEST,
      manifestProof: merkleProofOfFirst([sha256(EMPTY_MANIFEST)]),
      slice: { kind: "absence", neighbours: [] },
    },
    filling: undefined,
    omitted: [],
    more: [],
  };
}

/** What a stream of headers with sparse commits sends from a height on: one message for each set. */
export function* sparseUpdates(chain: LightChain, from: number): Generator<HeaderUpdate> {
  let headers: Header[] = [];
  for (let height = from; height <= chain.height; height++) {
    const { signedHeader, validatorSet } = chain.at(height);
    const isLastOfSet = (height + 1) % TERM_HEIGHTS === 0;
    if (!isLastOfSet && height < chain.height) {
      headers.push(signedHeader.header);
      continue;
    }
    yield { height: Height(height), signedHeader, validatorSet, headers };
    headers = [];
  }
}

/** Trust after that height; 0: what the genesis says. */
export function trustAfter(chain: LightChain, height: number): TrustedState {
  const next = chain.at(height + 1).signedHeader.header;
  const header = height === 0 ? undefined : chain.at(height).signedHeader.header;
  return {
    chainId: LIGHT_CHAIN_ID,
    height: Height(height),
    blockHash: height === 0 ? undefined : next.lastBlockId.hash,
    time: header?.time,
    nextValidatorsHash: next.validatorsHash,
  };
}
