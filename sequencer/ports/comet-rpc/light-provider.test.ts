import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import {
  chainProvider,
  lightChain,
  LIGHT_CHAIN_TIME,
  LIGHT_CHAIN_ID,
  serveLightChain,
} from "../../../test/support/light-chain.ts";
import { startTestNode } from "../../../test/support/rpc-node.ts";
import { Height } from "../../../proto/brands.ts";
import { headerHash } from "../../../proto/hashes.ts";
import { signedHeaderToJson, validatorToJson } from "../../../proto/json.ts";
import type { LightClientAttackEvidence } from "../../../proto/types.ts";
import { validateLightBlock } from "../../../proto/validate-basic.ts";
import { createEd25519Verifier } from "../../../proto/verify/ed25519.ts";
import { createLightClient } from "../../../proto/verify/light/client.ts";
import { providerErrorCode } from "../../../proto/verify/light/provider.ts";
import { createMemoryTrustedStore } from "../../../proto/verify/light/store.ts";
import { createSystemClock } from "../system-clock.ts";
import { createCometRpcClient, isCometRpcError } from "./client.ts";
import { createRpcLightProvider } from "./light-provider.ts";

const clock = createSystemClock();
const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function serve(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A node that answers each call with what `answer` gives. */
function serveJson(
  answer: (method: string, params: Readonly<Record<string, string>>) => unknown,
): Promise<string> {
  return serve((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method, params } = JSON.parse(Buffer.concat(chunks).toString("utf8"));
      response.end(JSON.stringify({ jsonrpc: "2.0", id: 0, ...Object(answer(method, params)) }));
    });
  });
}

function provider(address: string): ReturnType<typeof createRpcLightProvider> {
  const client = createCometRpcClient(address);
  cleanups.push(() => client.close());
  return createRpcLightProvider(client, clock);
}

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => "no error",
    (error: unknown) => providerErrorCode(error) ?? String(error),
  );
}

describe("over the RPC of a node", () => {
  test("light blocks are byte-exact, and say what is not there", async () => {
    const node = await startTestNode();
    cleanups.push(() => node.stop());
    for (let i = 0; i < 3; i++) await node.chain.commitBlock([Uint8Array.of(i)]);
    const source = provider(node.url);
    const { chainId } = node.chain.state;
    const last = node.chain.blocks.height();
    for (const height of [Height(1), Height(2), last] as const) {
      const block = await source.lightBlock(height);
      validateLightBlock(block, chainId);
      const meta = await node.chain.blocks.meta(height);
      expect(headerHash(block.signedHeader.header)).toEqual(meta?.blockId.hash);
    }
    const latest = await source.lightBlock("latest");
    expect(latest.signedHeader.header.height).toBe(last);
    expect(await codeOf(source.lightBlock(Height(last + 1)))).toBe("PROVIDER_HEIGHT_TOO_HIGH");
  });
});

describe("over the RPC of anybody", () => {
  const size = 230;
  const members = Array.from({ length: size }, (_, i) => i);
  const chain = lightChain({ heights: 4, validators: () => members });
  const serveChain = async (): Promise<string> => {
    const served = await serveLightChain(chain);
    cleanups.push(() => served.stop());
    return served.url;
  };
  const commit = { signed_header: signedHeaderToJson(chain.at(1).signedHeader), canonical: true };

  test("sets of several pages, and a whole client over them", async () => {
    const witness = chainProvider("witness", chain);
    const client = await createLightClient(
      {
        chainId: LIGHT_CHAIN_ID,
        trust: { height: Height(1), hash: headerHash(chain.at(1).signedHeader.header) },
        trustingPeriodNanos: 3_600_000_000_000n,
      },
      {
        primary: provider(await serveChain()),
        witnesses: [witness],
        store: createMemoryTrustedStore(),
        verifier: createEd25519Verifier(),
        clock: { ...clock, now: () => ({ ...LIGHT_CHAIN_TIME, nanos: 999 }) },
      },
    );
    const latest = await client.update();
    expect(latest.validatorSet.validators).toHaveLength(size);
  });

  test.each([
    ["a set that never ends", (page: number) => ({ total: "10000", items: page < 3 ? 1 : 0 })],
    ["more validators than it says", () => ({ total: "5", items: 6 })],
    ["no validators", () => ({ total: "0", items: 0 })],
    ["more validators than there may be", () => ({ total: "10001", items: 1 })],
  ])("%s is a bad block", async (_name, plan) => {
    const source = provider(
      await serveJson((method, params) => {
        if (method === "commit") return { result: commit };
        const { total, items } = plan(Number(params["page"]));
        const { validators } = chain.at(1).validatorSet;
        const list = validators.slice(0, items).map(validatorToJson);
        return { result: { block_height: "1", validators: list, count: "1", total } };
      }),
    );
    expect(await codeOf(source.lightBlock(Height(1)))).toBe("PROVIDER_BAD_BLOCK");
  });

  test.each([
    ["nothing yet", { result: { signed_header: null } }, "PROVIDER_HEIGHT_TOO_HIGH"],
    [
      "an empty header",
      { result: { signed_header: { header: null } } },
      "PROVIDER_HEIGHT_TOO_HIGH",
    ],
    [
      "another shape",
      { result: { signed_header: { header: 7, commit: 7 } } },
      "PROVIDER_BAD_BLOCK",
    ],
    ["no result", { jsonrpc: "1.0" }, "PROVIDER_BAD_BLOCK"],
    [
      "a pruned height",
      {
        error: { code: -32603, message: "", data: "height 1 is not available, lowest height is 5" },
      },
      "PROVIDER_NOT_FOUND",
    ],
    ["a refusal", { error: { code: -32603, message: "busy" } }, "PROVIDER_NO_RESPONSE"],
  ])("%s", async (_name, answer, code) => {
    const source = provider(await serveJson(() => answer));
    expect(await codeOf(source.lightBlock(Height(1)))).toBe(code);
  });

  test("an answer that is too large, cut off, late, or a gateway's page", async () => {
    const endless = await serve((_request, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write("x".repeat(65_536)));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    });
    const large = createCometRpcClient(endless).call("commit", {}, { answerBytesMax: 1 << 20 });
    expect(await rpcCode(large)).toBe("COMET_RPC_TOO_LARGE");

    const cut = await serve((_request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("{");
      response.destroy();
    });
    expect(await rpcCode(createCometRpcClient(cut).call("commit", {}))).toBe(
      "COMET_RPC_UNREACHABLE",
    );

    const silent = await serve(() => {});
    const late = createCometRpcClient(silent).call("commit", {}, { timeoutMs: 50 });
    expect(await rpcCode(late)).toBe("COMET_RPC_UNREACHABLE");

    const gateway = await serve((_request, response) => {
      response.writeHead(502).end("<html>bad gateway</html>");
    });
    expect(await rpcCode(createCometRpcClient(gateway).call("commit", {}))).toBe(
      "COMET_RPC_UNREACHABLE",
    );
    expect(await codeOf(provider(gateway).lightBlock("latest"))).toBe("PROVIDER_NO_RESPONSE");
  });

  test("a caller may end a call, and addresses are checked and shown without secrets", async () => {
    const silent = await serve(() => {});
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    await expect(createCometRpcClient(silent).call("commit", {}, { signal })).rejects.toBe(reason);
    expect(createCometRpcClient("http://user:secret@host:1/").name).toBe("http://host:1");
    expect(createCometRpcClient("tcp://host:1").name).toBe("http://host:1");
    for (const address of ["", "ftp://host", "http://", "http://%zz@host"]) {
      expect(() => createCometRpcClient(address)).toThrow(/address of a node's RPC/);
    }
  });

  test("evidence is handed over as a node reads it", async () => {
    const received: unknown[] = [];
    const source = provider(
      await serveJson((method, params) => {
        received.push([method, params]);
        return { result: { hash: "00" } };
      }),
    );
    const block = chain.at(2);
    const evidence: LightClientAttackEvidence = {
      kind: "lightClientAttack",
      conflictingBlock: block,
      commonHeight: Height(1),
      byzantineValidators: block.validatorSet.validators.slice(0, 1),
      totalVotingPower: block.validatorSet.totalVotingPower,
      timestamp: block.signedHeader.header.time,
    };
    await source.reportEvidence(evidence);
    expect(received).toMatchObject([
      [
        "broadcast_evidence",
        {
          evidence: {
            type: "tendermint/LightClientAttackEvidence",
            value: { CommonHeight: "1", TotalVotingPower: String(size * 10) },
          },
        },
      ],
    ]);
  });
});

async function rpcCode(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "no error",
    (error: unknown) => (isCometRpcError(error) ? error.code : String(error)),
  );
}
