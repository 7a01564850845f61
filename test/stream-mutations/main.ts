/** Every bit of every byte of the recorded streams, one at a time: `npm run streams:mutations`. */
import { believedFlips, recordStreams } from "../support/recorded-streams.ts";

const BITS = [1, 2, 4, 8, 16, 32, 64, 128];

let failed = 0;
for (const stream of await recordStreams()) {
  const startMs = performance.now();
  const bytes = stream.messages.reduce((sum, message) => sum + message.length, 0);
  const { lies, believed } = await believedFlips(stream, () => true, BITS);
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
  failed += believed.length;
  process.stdout.write(
    `${stream.name}: ${stream.messages.length} messages, ${bytes} bytes, ${lies} lies, ${believed.length} believed, ${seconds} s\n`,
  );
  for (const { message, what } of believed) process.stdout.write(`  message ${message}: ${what}\n`);
}
process.exitCode = failed === 0 ? 0 : 1;
