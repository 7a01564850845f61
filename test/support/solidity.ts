/** Compiles Solidity for tests, in process and offline. */
import solc from "solc";
import type { Hex } from "viem";

interface SolcOutput {
  readonly contracts?: Record<
    string,
    Record<string, { readonly evm: { readonly bytecode: { readonly object: string } } }>
  >;
  readonly errors?: unknown;
}

/** Creation code of `contract` in `source`. */
export function compileSolidity(source: string, contract: string): Hex {
  const input = {
    language: "Solidity",
    sources: { "test.sol": { content: source } },
    settings: { evmVersion: "prague", outputSelection: { "*": { "*": ["evm.bytecode.object"] } } },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input))) as SolcOutput;
  const object = output.contracts?.["test.sol"]?.[contract]?.evm.bytecode.object;
  if (object === undefined) throw new Error(`solc: ${JSON.stringify(output.errors)}`);
  return `0x${object}`;
}
