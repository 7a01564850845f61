/** What `weft tx commit` writes for `weft tx reveal`. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { COMMIT_SALT_BYTES } from "../../mev/seal/commit.ts";
import { cliError } from "./cli-error.ts";

const hexText = (bytes: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`), `expected ${bytes} bytes in hex`);
const commitSchema = z.strictObject({
  chain_id: z.string(),
  id: hexText(32),
  height: z.int().min(1).optional(),
  salt: hexText(COMMIT_SALT_BYTES),
  content: z.string().regex(/^(?:[0-9a-f]{2})+$/, "expected hex"),
});

/** @throws WeftError<CliErrorInfo> FILE */
export function readCommit(path: string): z.infer<typeof commitSchema> {
  const text = readFileSync(path, "utf8");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw cliError("FILE", `${path} is no JSON; give the file that weft tx commit wrote`, cause);
  }
  const parsed = commitSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const why = z.prettifyError(parsed.error);
  throw cliError("FILE", `${path} is not what weft tx commit wrote once a node took it: ${why}`);
}
