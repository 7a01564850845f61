/**
 * Follows a rollup: prints its payloads in order, each block verified from the network's genesis on.
 * After `npm run build`:
 *   node docs/examples/follow-rollup.mjs alpha 127.0.0.1:9090 .weft/dev/validator-0/config/genesis.json
 */
import { rollupIdOfName } from "../../dist/proto/codec/weft-tx.js";
import { createValidatorSet, validatorSetHash } from "../../dist/proto/validator-set.js";
import { createEd25519Verifier } from "../../dist/proto/verify/ed25519.js";
import { createBlockVerifier } from "../../dist/rollup-adapter/client/block-verifier.js";
import { createGrpcSequencerClient } from "../../dist/rollup-adapter/client/grpc-sequencer-client.js";
import { loadGenesis } from "../../dist/sequencer/engine/genesis.js";

const [name, node, genesisFile] = process.argv.slice(2);
if (genesisFile === undefined) {
  process.stderr.write("usage: node docs/examples/follow-rollup.mjs NAME HOST:PORT GENESIS.JSON\n");
  process.exit(2);
}
const rollupId = Buffer.from(rollupIdOfName(name)).toString("hex"); // SHA-256 of the name
const genesis = await loadGenesis(genesisFile);
const validators = genesis.validators.map(({ publicKey, power: votingPower }) => ({
  publicKey,
  votingPower,
}));
// The first trust: nothing but the set of validators that the genesis names.
const trust = {
  chainId: genesis.chainId,
  height: genesis.initialHeight - 1,
  nextValidatorsHash: validatorSetHash(createValidatorSet(validators)),
};
const verifier = createBlockVerifier(rollupId, trust, createEd25519Verifier());
const { signal } = new AbortController();
const fromHeight = genesis.initialHeight;
for await (const block of createGrpcSequencerClient(node).blocks({
  rollupId,
  fromHeight,
  level: "filled", // in order, sealed entries opened
  signal,
})) {
  const { header, payloads } = await verifier.verifyFilled(block); // throws when anything does not hold
  for (const payload of payloads) {
    process.stdout.write(`${header.height} ${Buffer.from(payload).toString("hex")}\n`);
  }
}
