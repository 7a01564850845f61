/** Chains of light blocks that anyone holding the keys could have signed: for the light client. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { headerHash } from "../../proto/hashes.ts";
import { signedHeaderToJson, validatorToJson } from "../../proto/json.ts";
import { commitSigSignBytes } from "../../proto/sign-bytes.ts";
import { addMs, addNanos } from "../../proto/time.ts";
import {
  BlockIdFlag,
  type BlockId,
  type Commit,
  type CommitSig,
  type Header,
  type LightBlock,
  type LightClientAttackEvidence,
  NIL_BLOCK_ID,
  type Timestamp,
  type ValidatorSet,
  ZERO_TIME,
} from "../../proto/types.ts";
import { createValidatorSet, validatorSetHash } from "../../proto/validator-set.ts";
import {
  ed25519Address,
  type Ed25519KeyPair,
  ed25519KeyPairFromSeed,
  signEd25519,
} from "../../proto/verify/ed25519.ts";
import type { LightClock } from "../../proto/verify/light/clock.ts";
import { type LightBlockProvider, providerError } from "../../proto/verify/light/provider.ts";

export const LIGHT_CHAIN_ID = "light-test";
export const LIGHT_CHAIN_TIME: Timestamp = { seconds: 1_700_000_000n, nanos: 0 };
const BLOCK_MS = 1_000;

export interface LightChainPlan {
  readonly heights: number;
  /** Numbers of the keys that validate a height, all with equal power. */
  readonly validators: (height: number) => readonly number[];
  /** Shares the blocks below `forkHeight` with this chain. */
  readonly base?: LightChain;
  readonly forkHeight?: number;
  /** Changes a header of the fork before it is signed. */
  readonly change?: (header: Header) => Header;
  /** Keys that sign a height; the others are absent. All sign unless given. */
  readonly signers?: (height: number) => readonly number[];
  readonly round?: number;
}

export interface LightChain {
  readonly height: number;
  readonly plan: LightChainPlan;
  at(height: number): LightBlock;
}

const keys = new Map<number, Ed25519KeyPair>();
const numbers = new Map<string, number>();

/** Key `number` of the test. */
export function lightKey(number: number): Ed25519KeyPair {
  const known = keys.get(number);
  if (known !== undefined) return known;
  const key = ed25519KeyPairFromSeed(sha256(utf8ToBytes(`light key ${number}`)));
  keys.set(number, key);
  numbers.set(toHex(ed25519Address(key.publicKey)), number);
  return key;
}

export function lightSet(members: readonly number[]): ValidatorSet {
  return createValidatorSet(
    members.map((member) => ({
      publicKey: { type: "ed25519", bytes: lightKey(member).publicKey },
      votingPower: 10n,
    })),
  );
}

/** Blocks 1 to `heights`, one a second. */
export function lightChain(plan: LightChainPlan): LightChain {
  const { heights, base, forkHeight = 1 } = plan;
  const blocks: LightBlock[] = [];
  const signs = plan.signers ?? plan.validators;
  for (let height = 1; height <= heights; height++) {
    if (base !== undefined && height < forkHeight) {
      blocks.push(base.at(height));
      continue;
    }
    const before = blocks.at(-1);
    const validatorSet = lightSet(plan.validators(height));
    const plain: Header = {
      version: { block: 11n, app: 0n },
      chainId: LIGHT_CHAIN_ID,
      height: Height(height),
      time: addMs(LIGHT_CHAIN_TIME, height * BLOCK_MS),
      lastBlockId: before?.signedHeader.commit.blockId ?? NIL_BLOCK_ID,
      lastCommitHash: sha256(utf8ToBytes(`last commit ${height}`)),
      dataHash: sha256(utf8ToBytes(`data ${height}`)),
      validatorsHash: validatorSetHash(validatorSet),
      nextValidatorsHash: validatorSetHash(lightSet(plan.validators(height + 1))),
      consensusHash: sha256(utf8ToBytes("parameters")),
      appHash: sha256(utf8ToBytes(`app ${height}`)),
      lastResultsHash: sha256(utf8ToBytes(`results ${height}`)),
      evidenceHash: sha256(EMPTY_BYTES),
      proposerAddress: validatorSet.proposer.address,
    };
    const header = plan.change?.(plain) ?? plain;
    const commit = signCommit(header, validatorSet, signs(height), plan.round ?? 0);
    blocks.push({ signedHeader: { header, commit }, validatorSet });
  }
  return {
    height: heights,
    plan,
    at(height) {
      const block = blocks[height - 1];
      if (block === undefined) throw new RangeError(`no block ${height}`);
      return block;
    },
  };
}

function signCommit(
  header: Header,
  set: ValidatorSet,
  signers: readonly number[],
  round: number,
): Commit {
  const hash = headerHash(header);
  const blockId: BlockId = { hash, partSetHeader: { total: 1, hash: sha256(hash) } };
  const frame = { height: header.height, round: Round(round), blockId };
  const signatures = set.validators.map((validator): CommitSig => {
    const number = numbers.get(toHex(validator.address));
    if (number === undefined || !signers.includes(number)) {
      const absent = { validatorAddress: EMPTY_BYTES, signature: EMPTY_BYTES };
      return { blockIdFlag: BlockIdFlag.ABSENT, timestamp: ZERO_TIME, ...absent };
    }
    const unsigned: CommitSig = {
      blockIdFlag: BlockIdFlag.COMMIT,
      validatorAddress: validator.address,
      timestamp: addMs(header.time, BLOCK_MS),
      signature: EMPTY_BYTES,
    };
    const bytes = commitSigSignBytes(header.chainId, frame, unsigned);
    return { ...unsigned, signature: signEd25519(lightKey(number), bytes) };
  });
  return { ...frame, signatures };
}

export interface ChainProvider extends LightBlockProvider {
  /** Heights asked for, in order. */
  readonly asked: (number | "latest")[];
  readonly evidence: LightClientAttackEvidence[];
  /** Its highest block; may be moved while it is asked. */
  latest: number;
  isDown: boolean;
  /** Changes what it gives. */
  alter: ((block: LightBlock) => LightBlock) | undefined;
}

/** A node that serves a chain, whatever it is worth. */
export function chainProvider(name: string, chain: LightChain): ChainProvider {
  const provider: ChainProvider = {
    name,
    asked: [],
    evidence: [],
    latest: chain.height,
    isDown: false,
    alter: undefined,
    async lightBlock(height) {
      provider.asked.push(height);
      if (provider.isDown) throw providerError("PROVIDER_NO_RESPONSE", name, "no answer");
      const wanted = height === "latest" ? provider.latest : height;
      if (wanted > provider.latest) {
        throw providerError("PROVIDER_HEIGHT_TOO_HIGH", name, `${wanted} is not there yet`);
      }
      const block = chain.at(wanted);
      return provider.alter?.(block) ?? block;
    },
    async reportEvidence(evidence) {
      if (provider.isDown) throw providerError("PROVIDER_NO_RESPONSE", name, "no answer");
      provider.evidence.push(evidence);
    },
  };
  return provider;
}

export interface ServedChain {
  readonly url: string;
  /** What was reported to it: the parameters of `broadcast_evidence`. */
  readonly evidence: unknown[];
  stop(): void;
}

/** A node's RPC as far as a light client asks it, over a chain. */
export async function serveLightChain(chain: LightChain): Promise<ServedChain> {
  const evidence: unknown[] = [];
  const answer = (method: string, params: Readonly<Record<string, string>>): unknown => {
    if (method === "broadcast_evidence") {
      evidence.push(params["evidence"]);
      return { hash: "00" };
    }
    const { signedHeader, validatorSet } = chain.at(Number(params["height"] ?? chain.height));
    if (method === "commit") {
      return { signed_header: signedHeaderToJson(signedHeader), canonical: true };
    }
    const { validators } = validatorSet;
    const [page, size] = [Number(params["page"]), Number(params["per_page"])];
    const items = validators.slice((page - 1) * size, page * size).map(validatorToJson);
    const counts = { count: String(items.length), total: String(validators.length) };
    return { block_height: String(signedHeader.header.height), validators: items, ...counts };
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method, params } = JSON.parse(Buffer.concat(chunks).toString("utf8")) as {
        method: string;
        params: Readonly<Record<string, string>>;
      };
      response.end(JSON.stringify({ jsonrpc: "2.0", id: 0, result: answer(method, params) }));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    evidence,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A clock that stands still, except that waiting for it moves it. */
export function lightClock(start: Timestamp): LightClock & { move(ms: number): void } {
  let now = start;
  return {
    now: () => now,
    move(ms) {
      now = addMs(now, ms);
    },
    after(delayMs, task) {
      let isCancelled = false;
      setImmediate(() => {
        if (isCancelled) return;
        now = addNanos(now, BigInt(Math.round(delayMs * 1e6)));
        task();
      });
      return {
        cancel() {
          isCancelled = true;
        },
      };
    },
  };
}
