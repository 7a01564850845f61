import type { WeftApplication } from "../app/weft-application.ts";
import { createGrpcBodySource } from "../grpc/body-client.ts";
import { type BodySource, bodySources } from "../ports/body-source.ts";
import type { Logger } from "../ports/logger.ts";
import type { Closers } from "./closers.ts";
import { type Config, splitList } from "./config-schema.ts";

/**
 * Tells the application whom to ask for listed transactions that it lacks: its peers, where the engine has a
 * channel for it, then the nodes of `[mev] body_peers`. Who catches up asks for nothing: its blocks are decided.
 */
export function useBodySources(
  { config, peers }: { readonly config: Config; readonly peers: readonly BodySource[] },
  deps: {
    readonly application: WeftApplication;
    readonly isCatchingUp: () => boolean;
    readonly closers: Closers;
    readonly logger: Logger;
  },
): void {
  const { application, isCatchingUp, closers } = deps;
  const { held } = application.listed;
  const logger = deps.logger.child({ module: "bodies" });
  const addresses = splitList(config.mev.body_peers);
  const grpc = createGrpcBodySource(addresses, { idOf: held.idOf, logger });
  closers.push(() => {
    application.listed.use(undefined);
    grpc.close();
  });
  const sources = addresses.length === 0 ? peers : [...peers, grpc];
  if (sources.length === 0) return;
  const all = bodySources(sources, held.idOf);
  application.listed.use({ get: async (ids) => (isCatchingUp() ? [] : await all.get(ids)) });
}
