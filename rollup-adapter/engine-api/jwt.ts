/** Tokens of the authenticated port (execution-apis, src/engine/authentication.md): HS256 over `{iat}`. */
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { fromHex } from "../../proto/bytes.ts";
import { engineError } from "./engine-error.ts";
import { JWT_SECRET_BYTES } from "./limits.ts";

const HEADER = base64url(JSON.stringify({ alg: "HS256", typ: "JWT" }));

/** @param issuedAtSeconds wall time; the client takes tokens whose time lies within 60 s of its own */
export function signToken(secret: Uint8Array, issuedAtSeconds: number): string {
  const signed = `${HEADER}.${base64url(JSON.stringify({ iat: issuedAtSeconds }))}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

/** @throws WeftError<EngineApiErrorInfo> ENGINE_API_SECRET_INVALID */
export function readSecret(path: string): Uint8Array {
  let text: string;
  try {
    text = readFileSync(path, "utf8").trim();
  } catch (cause) {
    throw engineError(
      { code: "ENGINE_API_SECRET_INVALID", path },
      `cannot read the JWT secret ${path}; it is the file that the client names with --authrpc.jwtsecret`,
      cause,
    );
  }
  const hex = text.startsWith("0x") ? text.slice(2) : text;
  if (!/^[0-9a-fA-F]*$/.test(hex) || hex.length !== 2 * JWT_SECRET_BYTES) {
    throw engineError(
      { code: "ENGINE_API_SECRET_INVALID", path },
      `${path} is not a JWT secret: expected ${JWT_SECRET_BYTES} bytes in hex`,
    );
  }
  return fromHex(hex.toLowerCase());
}

function base64url(text: string): string {
  return Buffer.from(text, "utf8").toString("base64url");
}
