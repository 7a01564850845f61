/** A process of the pool whose production code has the mutation that its argument names. */
import { register } from "node:module";
import { MUTATIONS } from "./mutations.ts";

const name = process.argv[2];
const mutation = MUTATIONS.find((each) => each.name === name);
if (mutation === undefined) throw new Error(`there is no mutation ${name ?? ""}`);
register(new URL("mutation-hooks.js", import.meta.url), { data: mutation });
await import("./worker.ts");
