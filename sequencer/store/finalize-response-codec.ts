/** FinalizeBlock's answer as bytes, in ABCI's own shape (local only). */
import { decode } from "../../proto/codec/reader.ts";
import { encode } from "../../proto/codec/writer.ts";
import type { FinalizeBlockResponse } from "../abci/application.ts";
import { readFinalizeBlockResponse, writeFinalizeBlockResponse } from "../abci/result-codec.ts";

export function encodeFinalizeBlockResponse(response: FinalizeBlockResponse): Uint8Array {
  return encode(writeFinalizeBlockResponse, response, 1_024);
}

export function decodeFinalizeBlockResponse(bytes: Uint8Array): FinalizeBlockResponse {
  return decode(readFinalizeBlockResponse, bytes, "lenient");
}
