/** Sums up V8 CPU profiles (`--cpu-prof`): self time by function, over all processes of one kind. */
import { z } from "zod";

const profileSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({
        functionName: z.string(),
        url: z.string(),
        lineNumber: z.number(),
      }),
    }),
  ),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
});

export interface HotFunction {
  /** `name file:line`, the file relative to the project. */
  readonly where: string;
  readonly selfMs: number;
  /** Of all time that was not idle. */
  readonly share: number;
}

/** @param texts contents of `.cpuprofile` files */
export function hottest(texts: readonly string[], count: number): readonly HotFunction[] {
  const selfMs = new Map<string, number>();
  let busyMs = 0;
  for (const text of texts) {
    const { nodes, samples, timeDeltas } = profileSchema.parse(JSON.parse(text));
    const names = new Map(nodes.map(({ id, callFrame }) => [id, describe(callFrame)]));
    for (const [i, sample] of samples.entries()) {
      const name = names.get(sample) ?? "(unknown)";
      if (name === "(idle)") continue;
      const ms = (timeDeltas[i] ?? 0) / 1_000;
      busyMs += ms;
      selfMs.set(name, (selfMs.get(name) ?? 0) + ms);
    }
  }
  return [...selfMs]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([where, ms]) => ({ where, selfMs: ms, share: busyMs > 0 ? ms / busyMs : 0 }));
}

function describe(frame: {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}): string {
  const name = frame.functionName === "" ? "(anonymous)" : frame.functionName;
  const file = frame.url.replace(/^file:\/\//, "").replace(/^.*\/(dist|node_modules)\//, "");
  return file === "" ? name : `${name} ${file}:${frame.lineNumber + 1}`;
}
