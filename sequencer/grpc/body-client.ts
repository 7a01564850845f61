import { Client, credentials } from "@grpc/grpc-js";
import { toHex } from "../../proto/bytes.ts";
import { type GetBodiesResponse, MEV_SERVICE } from "../../proto/grpc/mev-service.ts";
import type { BodySource, HeldBodies } from "../ports/body-source.ts";
import type { Logger } from "../ports/logger.ts";
import {
  BODY_IDS_MAX,
  BODY_PEERS_ASKED_MAX,
  BODY_TIMEOUT_MS,
  RESPONSE_BYTES_MAX,
} from "./limits.ts";

export interface GrpcBodySource extends BodySource {
  close(): void;
}

/**
 * Asks other nodes for listed transactions over gRPC, one after the other: for engines whose p2p has no channel
 * for it. `addresses`: host:port of their gRPC listeners. Each call begins with another node.
 */
export function createGrpcBodySource(
  addresses: readonly string[],
  dependencies: { readonly idOf: HeldBodies["idOf"]; readonly logger: Logger },
): GrpcBodySource {
  const { idOf, logger } = dependencies;
  const peers = addresses.map((address) => ({
    address,
    client: new Client(address, credentials.createInsecure(), {
      "grpc.max_receive_message_length": RESPONSE_BYTES_MAX,
      "grpc.enable_retries": 0,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 2_000,
    }),
  }));
  let turn = 0;

  return {
    async get(ids) {
      const missing = new Map(ids.map((id) => [toHex(id), id]));
      const found: Uint8Array[] = [];
      const start = peers.length === 0 ? 0 : turn++ % peers.length;
      const order = [...peers.slice(start), ...peers.slice(0, start)];
      for (const { address, client } of order.slice(0, BODY_PEERS_ASKED_MAX)) {
        if (missing.size === 0) break;
        for (const item of await ask(client, address, [...missing.values()])) {
          const id = idOf(item);
          // Whatever was not asked for is left alone.
          if (id !== undefined && missing.delete(toHex(id))) found.push(item);
        }
      }
      return found;
    },
    close() {
      for (const { client } of peers) client.close();
    },
  };

  /** As often as the node has something new; an error ends it. */
  async function ask(
    client: Client,
    address: string,
    ids: readonly Uint8Array[],
  ): Promise<readonly Uint8Array[]> {
    const items: Uint8Array[] = [];
    try {
      for (let at = 0; at < ids.length; at += BODY_IDS_MAX) {
        items.push(...(await call(client, ids.slice(at, at + BODY_IDS_MAX))).items);
      }
    } catch (error) {
      // A node that is away; others are asked, and it is asked again another time.
      logger.debug("a node gave no listed transactions", { address, error: String(error) });
    }
    return items;
  }
}

function call(client: Client, ids: readonly Uint8Array[]): Promise<GetBodiesResponse> {
  const { path, requestSerialize, responseDeserialize } = MEV_SERVICE.getBodies;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { ids },
      { deadline: Date.now() + BODY_TIMEOUT_MS },
      (error, answer) => {
        if (error !== null) reject(error);
        else if (answer === undefined) reject(new Error("no answer"));
        else resolve(answer);
      },
    );
  });
}
