/** The key that the validators under test made for sealed transactions. */
import { fromBase64, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import type { SealKeyState } from "../../proto/codec/seal-state.ts";
import type { RecordType } from "../../sequencer/app/state/records.ts";
import { numberKey, SEAL, SEAL_KEYS } from "../../sequencer/app/state/tables.ts";
import { SEAL_KEY_TIMEOUT_MS } from "../limits.ts";

/** Resolves when blocks take sealed transactions. `rpc`: host:port. */
export async function untilKeyInForce(rpc: string): Promise<SealKeyState> {
  const endMs = performance.now() + SEAL_KEY_TIMEOUT_MS;
  for (;;) {
    const seal = await recordOf(rpc, SEAL, "");
    if (seal?.isOpen === true) {
      const key = await recordOf(rpc, SEAL_KEYS, numberKey(seal.activeKey));
      if (key !== undefined) return key;
    }
    if (performance.now() > endMs) {
      throw new Error(
        `${rpc} has no key for sealed transactions within ${SEAL_KEY_TIMEOUT_MS} ms: ${JSON.stringify(seal)}`,
      );
    }
    await new Promise((resolve) => {
      setTimeout(resolve, KEY_POLL_MS);
    });
  }
}

async function recordOf<Value>(
  rpc: string,
  type: RecordType<Value>,
  key: string,
): Promise<Value | undefined> {
  const data = toHex(utf8ToBytes(type.prefix + key));
  const answer = await fetch(`http://${rpc}/abci_query?path="/store"&data=0x${data}`);
  const { result } = (await answer.json()) as {
    result?: { response: { value?: string | null } };
  };
  const value = result?.response.value ?? "";
  return value === "" ? undefined : type.decode(fromBase64(value));
}

const KEY_POLL_MS = 100;
