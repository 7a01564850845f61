/** What several users of a node's RPC read in the same way. */
import type { Height } from "../../../proto/brands.ts";
import type { JsonNode } from "../../../proto/json-reader.ts";
import { validatorFromJson } from "../../../proto/json.ts";
import { VOTES_MAX } from "../../../proto/limits.ts";
import type { Validator, ValidatorSet } from "../../../proto/types.ts";
import { validatorSetFromValidators } from "../../../proto/validator-set.ts";
import type { CometRpcError } from "./client.ts";
import { VALIDATORS_PER_PAGE } from "./limits.ts";

/** Words in which nodes say that a height is not there (`rpc/core/env.go`). */
const TOO_HIGH = /height \d+ must be less than or equal to/;
const NOT_AVAILABLE = /height \d+ is not available|could not find/;

/** Which height a node refused: above its head, or pruned; undefined when it refused for another reason. */
export function missingHeight({ info }: CometRpcError): "tooHigh" | "pruned" | undefined {
  if (info.code !== "COMET_RPC_REFUSED") return undefined;
  const said = `${info.text} ${info.data}`;
  if (TOO_HIGH.test(said)) return "tooHigh";
  return NOT_AVAILABLE.test(said) ? "pruned" : undefined;
}

/**
 * The validator set of a height, page by page.
 * @param call the method `validators`
 * @throws JSON_SHAPE when the pages are not a set
 */
export async function readValidatorSet(
  call: (params: Readonly<Record<string, string>>) => Promise<JsonNode>,
  height: Height,
): Promise<ValidatorSet> {
  const found: Validator[] = [];
  for (let page = 1; ; page++) {
    const answer = await call({
      height: String(height),
      page: String(page),
      per_page: String(VALIDATORS_PER_PAGE),
    });
    const total = answer.get("total").count();
    const list = answer.get("validators");
    const items = list.items();
    const isBounded = total > 0 && total <= VOTES_MAX && items.length > 0;
    if (!isBounded || found.length + items.length > total) {
      throw list.error(
        `a page of ${total} validators, not ${items.length} of them on page ${page}`,
      );
    }
    for (const item of items) found.push(validatorFromJson(item));
    if (found.length === total) return validatorSetFromValidators(found);
  }
}
