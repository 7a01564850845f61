/** Module hooks of a process that runs a mutant: its files are changed as they are loaded. */
import type { InitializeHook, LoadHook } from "node:module";
import type { Mutation } from "./mutations.ts";

interface Hook {
  mutation: Mutation | undefined;
}

const hook: Hook = { mutation: undefined };

export const initialize: InitializeHook<Mutation> = (mutation) => {
  hook.mutation = mutation;
};

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  const patches = (hook.mutation?.patches ?? []).filter(({ file }) => url.endsWith(`/${file}`));
  if (patches.length === 0) return loaded;
  const { source } = loaded;
  if (source === undefined) throw new Error(`${url} has no source`);
  let text = typeof source === "string" ? source : new TextDecoder().decode(source);
  for (const { file, find, replace } of patches) {
    const count = text.split(find).length - 1;
    if (count !== 1) {
      throw new Error(
        `mutation ${hook.mutation?.name}: expected once in ${file}, found ${count} times: ${find}`,
      );
    }
    text = text.replace(find, () => replace);
  }
  return { ...loaded, source: text };
};
