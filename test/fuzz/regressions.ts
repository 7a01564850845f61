/** Inputs that once did what no input may do, made small; each with what it did. */
import { createNodeKey } from "../../sequencer/p2p/node-key.ts";

export interface Regression {
  readonly target: string;
  readonly inputHex: string;
  readonly why: string;
}

/** Brackets that JSON.parse takes and JSON.stringify does not. */
function nested(before: string, after: string): string {
  return Buffer.from(`${before}${"[".repeat(20_000)}${"]".repeat(20_000)}${after}`).toString("hex");
}

export const REGRESSIONS: readonly Regression[] = [
  {
    target: "packet stream",
    inputHex: "0d1a0b08401a07eef5000002ffffffff00",
    why: "an empty packet at the end of a span was refused only when the next span came",
  },
  {
    target: "node key file",
    // One character more than base64 has.
    inputHex: Buffer.from(
      JSON.stringify({
        priv_key: {
          type: "tendermint/PrivKeyEd25519",
          value: `${Buffer.from(createNodeKey(new Uint8Array(32).fill(6)).privateKey).toString("base64")}=`,
        },
      }),
    ).toString("hex"),
    why: "the error about a damaged key file repeated 60 of the 64 bytes of the private key",
  },
  {
    target: "log record",
    inputHex: "2206220422022200",
    why: "an origin that is no node id came out as a RangeError of the brand",
  },
  {
    target: "genesis",
    inputHex: nested("", ""),
    why: "a message about a deeply nested value overran the stack: RangeError instead of JSON_SHAPE",
  },
  {
    target: "JSON-RPC body",
    inputHex: nested('{"jsonrpc":"2.0","method":"status","id":', "}"),
    why: "a request id nested deeply overran the stack while its refusal was written",
  },
  {
    target: "JSON-RPC body",
    inputHex: nested('{"jsonrpc":"2.0","id":1,"method":"x","params":{"height":', "}}"),
    why: "a deeply nested argument overran the stack, and was logged as an error of ours",
  },
  {
    target: "EVM JSON-RPC body",
    inputHex: nested("", ""),
    why: "brackets alone held the loop: a megabyte of them for 100 ms",
  },
  {
    target: "gRPC rollup.getChainInfo response",
    inputHex: "0a098add79ec1aeedd79ec",
    why: "a string that is not UTF-8 came out as the generated code's own TypeError",
  },
];
