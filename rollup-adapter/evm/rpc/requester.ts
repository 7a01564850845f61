/** Who sent a request: what the methods of searchers are limited, and replacement keys told apart, by. */
import { ecrecover, fromRPCSig, hashPersonalMessage, pubToAddress } from "@ethereumjs/util";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesEqual, EMPTY_BYTES, fromHex, toHex, utf8ToBytes } from "../../../proto/bytes.ts";
import { bundleError } from "../../gateway/bundles/errors.ts";
import type { RequestContext } from "../../json-rpc/method.ts";

const HEADER = /^0x([0-9a-fA-F]{40}):0x([0-9a-fA-F]{130})$/;

/**
 * The signer's address, 20 bytes; empty for a request without the header. The signature is the personal one (EIP-191)
 * of the text "0x" and Keccak-256 of the body in hex, as Flashbots' relays take it.
 * @throws WeftError<BundleErrorInfo> BAD_SIGNATURE
 */
export function signerOf({ signature, body }: RequestContext): Uint8Array {
  if (signature === undefined) return EMPTY_BYTES;
  const [, address = "", hex = ""] = HEADER.exec(signature) ?? [];
  if (address === "") {
    throw bundleError(
      "BAD_SIGNATURE",
      "X-Flashbots-Signature: expected <address>:<signature>, 20 and 65 bytes in 0x hex",
    );
  }
  const text = utf8ToBytes(`0x${toHex(keccak_256(utf8ToBytes(body)))}`);
  const named = fromHex(address.toLowerCase());
  const signer = recovered(hashPersonalMessage(text), hex);
  if (signer !== undefined && bytesEqual(signer, named)) return named;
  throw bundleError("BAD_SIGNATURE", `X-Flashbots-Signature is not by 0x${address} over this body`);
}

function recovered(hash: Uint8Array, signatureHex: string): Uint8Array | undefined {
  try {
    const { v, r, s } = fromRPCSig(`0x${signatureHex}`);
    return pubToAddress(ecrecover(hash, v, r, s));
  } catch {
    return undefined; // r, s or v name no point of the curve
  }
}
