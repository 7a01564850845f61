/** Wallets that send through a rollup's JSON-RPC: each one its transactions in order, the next once one is accepted. */
import { Agent, request } from "node:http";
import { keccak256 } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { sha256 } from "../../proto/hash.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";

export interface SignedTransaction {
  readonly hash: string;
  /** The request that sends it. */
  readonly body: string;
}

export interface BenchWallet {
  readonly address: string;
  readonly transactions: readonly SignedTransaction[];
}

/** The key of the wallet of that index, the same in every run. */
export function walletAccount(index: number): ReturnType<typeof privateKeyToAccount> {
  return privateKeyToAccount(`0x${toHex(sha256(utf8ToBytes(`bench wallet ${index}`)))}`);
}

/** Transfers of 1 wei, signed ahead. */
export async function signWallet(
  index: number,
  count: number,
  chainId: number,
): Promise<BenchWallet> {
  const account = walletAccount(index);
  const transactions: SignedTransaction[] = [];
  for (let nonce = 0; nonce < count; nonce++) {
    const raw = await account.signTransaction({
      type: "eip1559",
      chainId,
      to: "0x00000000000000000000000000000000000000aa",
      value: 1n,
      nonce,
      gas: 21_000n,
      maxFeePerGas: 100_000_000_000n,
      maxPriorityFeePerGas: 1n,
    });
    const params = [raw];
    const body = JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "eth_sendRawTransaction",
      params,
    });
    transactions.push({ hash: keccak256(raw), body });
  }
  return { address: account.address, transactions };
}

/** Posts to one URL over connections that are kept. */
export function createPoster(url: string, connections: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  return {
    /** The answer's body. */
    post(body: string): Promise<string> {
      return new Promise((resolve, reject) => {
        const sent = request(
          url,
          { agent, method: "POST", headers: { "content-length": Buffer.byteLength(body) } },
          (response) => {
            const chunks: Buffer[] = [];
            response.on("data", (chunk: Buffer) => chunks.push(chunk));
            response.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
            response.on("error", reject);
          },
        );
        sent.on("error", reject);
        sent.end(body);
      });
    },
    close: () => agent.destroy(),
  };
}
