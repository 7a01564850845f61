import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { MASKS, RULES } from "./masks.ts";
import { runTrace } from "./runners.ts";
import { readTraces, type Trace, traceId } from "./trace-format.ts";

const traces = readTraces();
const maskOf = (trace: Trace) => MASKS.find((mask) => mask.trace === traceId(trace));
const agreeing = traces.filter((trace) => maskOf(trace) === undefined);

describe("Malachite's Quint traces against the consensus core", () => {
  test.each(agreeing.map((trace) => [traceId(trace), trace] as const))("%s agrees", (_, trace) => {
    expect(runTrace(trace)).toBeUndefined();
  });

  test.each(MASKS.map((mask) => [mask.trace, mask] as const))(
    "%s differs, as masked",
    (id, mask) => {
      const trace = traces.find((candidate) => traceId(candidate) === id);
      if (trace === undefined) throw new Error(`there is no trace ${id}`);
      expect(runTrace(trace)).toEqual({ step: mask.step, what: mask.what });
      if (mask.grants.length === 0) return;
      expect(runTrace(trace, mask.grants)).toBeUndefined();
      // No grant is given that its trace does not need.
      for (const grant of mask.grants) {
        const fewer = mask.grants.filter((other) => other !== grant);
        expect(runTrace(trace, fewer), `without ${grant}`).toBeDefined();
      }
    },
  );

  test("each rule masks a trace, each trace is masked once", () => {
    expect(new Set(MASKS.map(({ rule }) => rule))).toEqual(new Set(Object.keys(RULES)));
    expect(new Set(MASKS.map(({ trace }) => trace)).size).toBe(MASKS.length);
  });

  test("an output that the model does not have is seen, wherever it stands", () => {
    let changed = 0;
    for (const trace of agreeing) {
      for (const [at, step] of trace.steps.entries()) {
        const other = otherOutput("output" in step ? step.output : undefined);
        if (other === undefined) continue;
        const steps = trace.steps.map((kept, i) => (i === at ? { ...kept, output: other } : kept));
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same trace but for one output
        const altered = { ...trace, steps } as unknown as Trace;
        expect(runTrace(altered)?.step, `${traceId(trace)} step ${at + 1}`).toBe(at + 1);
        changed += 1;
      }
    }
    expect(changed).toBeGreaterThan(200);
  });

  test("the README counts what is run", () => {
    const readme = readFileSync(new URL("./README.md", import.meta.url), "utf8");
    const steps = agreeing.reduce((sum, trace) => sum + trace.steps.length, 0);
    const followed = MASKS.filter(({ grants }) => grants.length > 0).length;
    expect(readme).toContain(
      `${traces.length} traces: ${agreeing.length} agree at every step (${steps} steps), ` +
        `${MASKS.length} are masked, ${followed} of them followed to the end with the rule granted.`,
    );
    for (const rule of Object.keys(RULES)) expect(readme).toContain(rule);
    for (const { trace } of MASKS) expect(readme).toContain(trace.split("/")[1]);
  });
});

/** Another message than the model's, where it says one. */
function otherOutput(output: readonly [string, unknown?] | undefined): unknown {
  const [kind, value] = output ?? [""];
  if (kind !== "VoteOutput" && kind !== "ProposalOutput" && kind !== "DecidedOutput")
    return undefined;
  return [kind, { ...(value as object), value: "another" }];
}
