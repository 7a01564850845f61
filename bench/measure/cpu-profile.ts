/** Sums up V8 CPU profiles (`--cpu-prof`) over all processes of one kind. */
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
      children: z.array(z.number()).optional(),
    }),
  ),
  /** µs of the monotonic clock, which `process.hrtime` reads too. */
  startTime: z.number(),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
});

type Frame = z.infer<typeof profileSchema>["nodes"][number]["callFrame"];

export interface HotFunction {
  /** `name file:line`, the file relative to the project. */
  readonly where: string;
  readonly ms: number;
  /** Of all time that was not idle. */
  readonly share: number;
}

export interface ProfileSummary {
  /** Time that no process was idle, ms: wall time, so a shared machine inflates it. */
  readonly busyMs: number;
  /** By the function that ran. */
  readonly self: readonly HotFunction[];
  /** By the innermost function of this project on the stack: what it called in Node or a package counts. */
  readonly own: readonly HotFunction[];
}

/** A stretch of time, µs of `process.hrtime`. */
export interface ProfileWindow {
  readonly fromMicros: number;
  readonly toMicros: number;
}

/**
 * @param texts contents of `.cpuprofile` files
 * @param windows samples outside of all of them are left out
 */
export function summarizeProfiles(
  texts: readonly string[],
  windows: readonly ProfileWindow[],
  count: number,
): ProfileSummary {
  const self = new Map<string, number>();
  const own = new Map<string, number>();
  let busyMs = 0;
  for (const text of texts) {
    const { nodes, samples, timeDeltas, startTime } = profileSchema.parse(JSON.parse(text));
    const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
    const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((c) => [c, id])));
    const owners = new Map(nodes.map(({ id }) => [id, ownerOf(id, frames, parents)]));
    let atMicros = startTime;
    for (const [i, sample] of samples.entries()) {
      const micros = timeDeltas[i] ?? 0;
      atMicros += micros;
      const frame = frames.get(sample);
      if (frame === undefined || frame.functionName === "(idle)") continue;
      if (!windows.some((w) => atMicros >= w.fromMicros && atMicros < w.toMicros)) continue;
      busyMs += micros / 1_000;
      add(self, describe(frame), micros / 1_000);
      add(own, owners.get(sample) ?? describe(frame), micros / 1_000);
    }
  }
  const top = (times: ReadonlyMap<string, number>): readonly HotFunction[] =>
    [...times]
      .sort(([, a], [, b]) => b - a)
      .slice(0, count)
      .map(([where, ms]) => ({ where, ms, share: busyMs > 0 ? ms / busyMs : 0 }));
  return { busyMs, self: top(self), own: top(own) };
}

/** The nearest frame of this project, from a node up; undefined when there is none. */
function ownerOf(
  node: number,
  frames: ReadonlyMap<number, Frame>,
  parents: ReadonlyMap<number, number>,
): string | undefined {
  for (let at: number | undefined = node; at !== undefined; at = parents.get(at)) {
    const frame = frames.get(at);
    if (frame !== undefined && isOwn(frame)) return describe(frame);
  }
  return undefined;
}

function isOwn({ url }: Frame): boolean {
  return url.startsWith("file:") && !url.includes("/node_modules/");
}

function add(times: Map<string, number>, where: string, ms: number): void {
  times.set(where, (times.get(where) ?? 0) + ms);
}

function describe(frame: Frame): string {
  const name = frame.functionName === "" ? "(anonymous)" : frame.functionName;
  const file = frame.url.replace(/^file:\/\//, "").replace(/^.*\/(dist|node_modules)\//, "");
  return file === "" ? name : `${name} ${file}:${frame.lineNumber + 1}`;
}
