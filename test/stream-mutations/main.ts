/**
 * Every byte of the recorded streams is altered, one at a time, fields are left out, doubled, moved and added, and five
 * thousand heights are followed with a set that changes every third: `npm run streams:mutations`. One bit of each byte,
 * another one from byte to byte; `-- --all-bits`: each of them; `-- --only NAME`: streams with that in their name.
 */
import { RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { createBlockVerifier } from "../../rollup-adapter/client/block-verifier.ts";
import { createHeaderFollower } from "../../rollup-adapter/client/header-follower.ts";
import { longChain, messageAt, sparseUpdates, trustAfter } from "../support/long-stream.ts";
import { believedChanges, believedFlips, recordStreams } from "../support/recorded-streams.ts";

const LONG_HEIGHTS = 5_000;

const BITS = [1, 2, 4, 8, 16, 32, 64, 128];
const isEveryBit = process.argv.includes("--all-bits");

const at = process.argv.indexOf("--only");
const only = at < 0 ? "" : (process.argv[at + 1] ?? "");

let failed = 0;
for (const stream of await recordStreams()) {
  if (!stream.name.includes(only)) continue;
  const startMs = performance.now();
  const bytes = stream.messages.reduce((sum, message) => sum + message.length, 0);
  const bitsOf = (position: number) =>
    isEveryBit ? BITS : BITS.slice(position % BITS.length, (position % BITS.length) + 1);
  const flips = await believedFlips(stream, bitsOf);
  const changes = await believedChanges(stream);
  const lies = flips.lies + changes.lies;
  const believed = [...flips.believed, ...changes.believed];
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
  failed += believed.length;
  process.stdout.write(
    `${stream.name}: ${stream.messages.length} messages, ${bytes} bytes, ${lies} lies, ${believed.length} believed, ${seconds} s\n`,
  );
  for (const { message, what } of believed) process.stdout.write(`  message ${message}: ${what}\n`);
}
const chain = longChain(LONG_HEIGHTS);
const signatures = createEd25519Verifier();
const startMs = performance.now();
const rollup = RollupId(toHex(rollupIdOfName("alpha")));
for (const start of [0, LONG_HEIGHTS / 2]) {
  const verifier = createBlockVerifier(rollup, trustAfter(chain, start), signatures);
  for (let height = start + 1; height <= LONG_HEIGHTS; height++) {
    await verifier.verifyFilled(messageAt(chain, height, start + 1));
  }
  if (verifier.trusted().height !== LONG_HEIGHTS) failed += 1;
  const follower = createHeaderFollower(trustAfter(chain, start), signatures);
  for (const update of sparseUpdates(chain, start + 1)) await follower.verify(update);
  if (follower.trusted().height !== LONG_HEIGHTS) failed += 1;
}
process.stdout.write(
  `${LONG_HEIGHTS} heights from the genesis and from the middle, with blocks and by headers: ${((performance.now() - startMs) / 1_000).toFixed(1)} s\n`,
);
process.exitCode = failed === 0 ? 0 : 1;
