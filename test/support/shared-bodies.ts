import type { TestChain, TestNode } from "./weft-app.ts";

/** From now on the nodes of the chain get transactions that they want from one another, by id. */
export function shareBodies(chain: TestChain): void {
  const connect = (node: TestNode): void => {
    node.app.listed.use({
      get: async (ids) =>
        ids.flatMap((id) => {
          for (const { app } of chain.nodes) {
            const item = app === node.app ? undefined : app.listed.held.item(id);
            if (item !== undefined) return [item];
          }
          return [];
        }),
    });
  };
  for (const node of chain.nodes) connect(node);
  chain.onRestart = connect;
}
