/**
 * Everything that can be recomputed from blocks of Go nodes: the RPC fixtures of tendermint-rs
 * (rpc/tests/kvstore_fixtures/v0_38, Apache-2.0).
 */
import { beforeEach, describe, expect, test } from "vitest";
import { bytesEqual, fromHex, toHex } from "../../proto/bytes.ts";
import {
  decodeBlock,
  decodeHeader,
  encodeBlock,
  encodeBlockMeta,
  decodeBlockMeta,
  encodeHeader,
} from "../../proto/codec/block.ts";
import { decodeCommit, encodeCommit } from "../../proto/codec/votes.ts";
import {
  commitHash,
  consensusParamsHash,
  dataHash,
  evidenceListHash,
  headerHash,
  txHash,
  validatorsHash,
} from "../../proto/hashes.ts";
import {
  blockFromJson,
  blockIdFromJson,
  blockIdToJson,
  blockToJson,
  commitFromJson,
  commitToJson,
  consensusParamsFromJson,
  consensusParamsToJson,
  headerFromJson,
  headerToJson,
  merkleProofFromJson,
  publicKeyFromJson,
} from "../../proto/json.ts";
import { JsonNode, parseJson } from "../../proto/json-reader.ts";
import { rootOfMerkleProof, verifyMerkleProof } from "../../proto/merkle.ts";
import { PartSet, splitIntoParts } from "../../proto/part-set.ts";
import type { Block, BlockId, Commit, Header } from "../../proto/types.ts";
import { validateBlock } from "../../proto/validate-basic.ts";
import { createValidatorSet, validatorSetHash } from "../../proto/validator-set.ts";
import { verifyCommit } from "../../proto/verify/commit.ts";
import { verifyEd25519Sync } from "../../proto/verify/ed25519.ts";
import { needVectors, vectorFiles, vectorText } from "../support/vectors.ts";

const FOLDER = "rpc-v0_38/incoming";

interface Found {
  readonly file: string;
  readonly json: unknown;
}

/** Every object in the fixtures that has all of these members. */
function objectsWith(...members: readonly string[]): readonly Found[] {
  const found: Found[] = [];
  for (const file of vectorFiles(FOLDER)) {
    const visit = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return;
      if (members.every((member) => Object.hasOwn(value, member))) {
        found.push({ file, json: value });
      }
      for (const child of Object.values(value)) visit(child);
    };
    visit(JSON.parse(vectorText(FOLDER, file)));
  }
  return found;
}

const member = (json: unknown, name: string): unknown => Reflect.get(Object(json), name);

interface RealBlock {
  readonly file: string;
  readonly block: Block;
  readonly blockId: BlockId;
  readonly json: unknown;
}

function realBlocks(): readonly RealBlock[] {
  return objectsWith("block", "block_id").map(({ file, json }) => ({
    file,
    block: blockFromJson(new JsonNode(member(json, "block"))),
    blockId: blockIdFromJson(new JsonNode(member(json, "block_id"))),
    json: member(json, "block"),
  }));
}

/** The validators of a header when they are the one of the fixture's genesis. */
function genesisSet() {
  const genesis = parseJson(vectorText(FOLDER, "genesis.json")).get("result").get("genesis");
  const [validator] = genesis.get("validators").items();
  if (validator === undefined) throw new Error("the genesis of the fixtures has one validator");
  const publicKey = publicKeyFromJson(validator.get("pub_key"));
  return createValidatorSet([{ publicKey, votingPower: validator.get("power").bigint() }]);
}

describe("blocks of Go nodes", () => {
  beforeEach(needVectors);

  test("every hash and the part set of every block come out the same", () => {
    const blocks = realBlocks();
    expect(blocks.length).toBeGreaterThanOrEqual(54);
    for (const { file, block, blockId } of blocks) {
      const at = `${file} at ${block.header.height}`;
      expect(toHex(headerHash(block.header)), at).toBe(toHex(blockId.hash));
      expect(toHex(commitHash(block.lastCommit)), at).toBe(toHex(block.header.lastCommitHash));
      expect(toHex(dataHash(block.txs)), at).toBe(toHex(block.header.dataHash));
      expect(toHex(evidenceListHash(block.evidence)), at).toBe(toHex(block.header.evidenceHash));
      const parts = splitIntoParts(encodeBlock(block)).header;
      expect(parts.total, at).toBe(blockId.partSetHeader.total);
      expect(toHex(parts.hash), at).toBe(toHex(blockId.partSetHeader.hash));
      expect(() => {
        validateBlock(block);
      }, at).not.toThrow();
    }
    expect(blocks.some(({ block }) => block.evidence.length > 0)).toBe(true);
  });

  test("blocks survive bytes and parts", () => {
    for (const { file, block, blockId } of realBlocks()) {
      const bytes = encodeBlock(block);
      expect(decodeBlock(bytes), file).toEqual(block);
      const parts = new PartSet(blockId.partSetHeader);
      for (const part of splitIntoParts(bytes).parts) expect(parts.add(part), file).toBe(true);
      expect(bytesEqual(parts.bytes(), bytes), file).toBe(true);
    }
  });

  test("JSON is written as Go writes it", () => {
    const normal = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
    const plain = realBlocks().filter(({ block }) => block.evidence.length === 0);
    expect(plain.length).toBeGreaterThan(10);
    for (const { file, block, json } of plain) {
      expect(normal(blockToJson(block)), file).toEqual(json);
    }
    for (const { block, file } of realBlocks()) {
      const again = blockFromJson(new JsonNode(normal(blockToJson(block))));
      expect(again, file).toEqual(block);
    }
  });

  test("headers, commits and metas of every answer survive and hash to their ids", () => {
    const headers: Header[] = [];
    const commits: Commit[] = [];
    for (const { json } of objectsWith("chain_id", "validators_hash")) {
      headers.push(headerFromJson(new JsonNode(json)));
    }
    for (const { json } of objectsWith("signatures", "block_id")) {
      commits.push(commitFromJson(new JsonNode(json)));
    }
    expect(headers.length).toBeGreaterThan(20);
    expect(commits.length).toBeGreaterThan(15);
    for (const header of headers) {
      expect(decodeHeader(encodeHeader(header))).toEqual(header);
      expect(headerFromJson(new JsonNode(headerToJson(header)))).toEqual(header);
    }
    for (const commit of commits) {
      expect(decodeCommit(encodeCommit(commit))).toEqual(commit);
      expect(commitFromJson(new JsonNode(commitToJson(commit)))).toEqual(commit);
    }
    for (const { json } of objectsWith("block_id", "block_size", "header", "num_txs")) {
      const node = new JsonNode(json);
      const meta = {
        blockId: blockIdFromJson(node.get("block_id")),
        blockSizeBytes: node.get("block_size").count(),
        header: headerFromJson(node.get("header")),
        txCount: node.get("num_txs").count(),
      };
      expect(toHex(headerHash(meta.header))).toBe(toHex(meta.blockId.hash));
      expect(decodeBlockMeta(encodeBlockMeta(meta))).toEqual(meta);
      expect(blockIdToJson(meta.blockId)).toEqual(member(json, "block_id"));
    }
  });

  test("commits of the one-validator chain verify, and fail once a bit changes", () => {
    const validators = genesisSet();
    let verified = 0;
    for (const { block } of realBlocks()) {
      const { header, lastCommit } = block;
      const isOfSet = bytesEqual(header.validatorsHash, validatorSetHash(validators));
      if (!isOfSet || lastCommit.height === 0) continue;
      const context = {
        chainId: header.chainId,
        validators,
        blockId: header.lastBlockId,
        height: lastCommit.height,
      };
      expect(verifyCommit(context, lastCommit, verifyEd25519Sync)).toEqual({ isValid: true });
      const other = { ...context, chainId: `${header.chainId}x` };
      expect(verifyCommit(other, lastCommit, verifyEd25519Sync)).toMatchObject({
        fault: "COMMIT_WRONG_SIGNATURE",
      });
      verified++;
    }
    expect(verified).toBeGreaterThan(5);
    expect(toHex(validatorsHash(validators.validators))).toBe(
      "33415effceda5bd0a3a443a727457d9f7b9e38389bf27a936fedf749a7b7566e",
    );
  });

  test("consensus parameters hash as in the headers of their chain", () => {
    const node = parseJson(vectorText(FOLDER, "consensus_params.json")).get("result");
    const params = consensusParamsFromJson(node.get("consensus_params"));
    const [header] = objectsWith("chain_id", "consensus_hash");
    const hash = headerFromJson(new JsonNode(header?.json)).consensusHash;
    expect(toHex(consensusParamsHash(params))).toBe(toHex(hash));
    const again = consensusParamsFromJson(new JsonNode(consensusParamsToJson(params)));
    expect(again).toEqual(params);
  });

  test("transaction ids and proofs", () => {
    const txs = objectsWith("proof", "tx", "hash");
    expect(txs.length).toBeGreaterThan(5);
    for (const { json } of txs) {
      const node = new JsonNode(json);
      const tx = node.get("tx").base64();
      expect(toHex(txHash(tx))).toBe(toHex(node.get("hash").hex()));
      const proof = merkleProofFromJson(node.get("proof").get("proof"));
      const root = node.get("proof").get("root_hash").hex();
      expect(verifyMerkleProof(proof, root, txHash(tx))).toBe(true);
      expect(verifyMerkleProof(proof, root, fromHex("00"))).toBe(false);
      expect(toHex(rootOfMerkleProof(proof) ?? fromHex(""))).toBe(toHex(root));
      // Every transaction of the fixtures is alone in its block.
      expect(proof.total).toBe(1);
      expect(toHex(dataHash([tx]))).toBe(toHex(root));
    }
  });
});
