/**
 * Asks a rollup's node where a wallet's transaction is, and checks the proof of its place against a set of validators:
 * the node itself is trusted in nothing. After `npm run build`:
 *   node docs/examples/verify-transaction.mjs alpha http://127.0.0.1:8545 0xHASH .weft/dev/validator-0/config/genesis.json
 */
import { rollupIdOfName } from "../../dist/proto/codec/weft-tx.js";
import { createValidatorSet, validatorSetHash } from "../../dist/proto/validator-set.js";
import { createEd25519Verifier } from "../../dist/proto/verify/ed25519.js";
import {
  transactionProofFromJson,
  verifyTransactionProof,
} from "../../dist/rollup-adapter/client/transaction-proof.js";
import { loadGenesis } from "../../dist/sequencer/engine/genesis.js";

const [name, url, hash, genesisFile] = process.argv.slice(2);
if (genesisFile === undefined) {
  process.stderr.write(
    "usage: node docs/examples/verify-transaction.mjs NAME URL HASH GENESIS.JSON\n",
  );
  process.exit(2);
}
const response = await fetch(url, {
  method: "POST",
  body: JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "weft_getTransactionStatus",
    params: [hash, { proof: true }],
  }),
});
const { result, error } = await response.json();
if (error !== undefined) throw new Error(error.message);
const { proof: json, ...status } = result;
process.stdout.write(`${JSON.stringify(status, undefined, 2)}\n`);
if (json === null) process.exit(1); // it has no place yet

// While the set is the genesis' own; later ask a light client for the set of that height (weft light).
const genesis = await loadGenesis(genesisFile);
const validators = genesis.validators.map(({ publicKey, power: votingPower }) => ({
  publicKey,
  votingPower,
}));
const proof = transactionProofFromJson(json);
if (proof === undefined) throw new Error("the node's proof is not of the form that it should be");
const proven = await verifyTransactionProof(
  Buffer.from(hash.slice(2), "hex"),
  proof,
  {
    chainId: genesis.chainId,
    rollupId: Buffer.from(rollupIdOfName(name)).toString("hex"),
    validatorsHash: validatorSetHash(createValidatorSet(validators)),
  },
  createEd25519Verifier(),
);
if ("code" in proven) throw new Error(`refused: ${proven.code}: ${proven.reason}`);
const { header, position, index } = proven;
process.stdout.write(
  `proven: block ${header.height} of ${header.chainId}, entry ${position}, payload ${index ?? "sealed"}\n`,
);
