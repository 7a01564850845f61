/** Methods that change the node's peers and pool: only there with `unsafe = true` (`rpc/core/net.go`). */
import { isWeftError } from "../../../proto/errors.ts";
import { invalidParams, methodFailure } from "../errors.ts";
import { DIAL_ADDRESSES_MAX } from "../limits.ts";
import { param } from "../params.ts";
import type { RpcMempool, RpcNetwork } from "../ports.ts";
import { type Route, route } from "../routes.ts";

export function unsafeRoutes(env: {
  readonly network: Pick<RpcNetwork, "dialSeeds" | "dialPeers">;
  readonly mempool: Pick<RpcMempool, "flush">;
}): Readonly<Record<string, Route>> {
  return {
    dial_seeds: route({ seeds: param("json") }, ({ seeds }) => {
      const addresses = addressList("seeds", seeds);
      if (addresses.length === 0) throw methodFailure("no seeds provided");
      begin(() => env.network.dialSeeds(addresses));
      return { log: "Dialing seeds in progress. See /net_info for details" };
    }),
    dial_peers: route(
      {
        peers: param("json"),
        persistent: param("bool"),
        unconditional: param("bool"),
        private: param("bool"),
      },
      ({ peers, persistent, unconditional, private: isPrivate }) => {
        const addresses = addressList("peers", peers);
        if (addresses.length === 0) throw methodFailure("no peers provided");
        begin(() =>
          env.network.dialPeers(addresses, {
            isPersistent: persistent,
            isUnconditional: unconditional,
            isPrivate,
          }),
        );
        return { log: "Dialing peers in progress. See /net_info for details" };
      },
    ),
    unsafe_flush_mempool: route({}, () => {
      env.mempool.flush();
      return {};
    }),
  };
}

function begin(dial: () => void): void {
  try {
    dial();
  } catch (error) {
    if (!isWeftError(error)) throw error;
    throw methodFailure(error.message);
  }
}

function addressList(name: string, value: unknown): readonly string[] {
  const list = value ?? [];
  const isList =
    Array.isArray(list) && list.every((one: unknown): one is string => typeof one === "string");
  if (!isList || list.length > DIAL_ADDRESSES_MAX) {
    throw invalidParams(
      `error converting json params to arguments: expected ${name} as a list of at most ${DIAL_ADDRESSES_MAX} addresses`,
    );
  }
  return list;
}
