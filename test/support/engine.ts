/** The engine that the nodes of the end-to-end tests run on: `WEFT_ENGINE`, as `weft start` reads it itself. */
import { type EngineName, ENGINES } from "../../sequencer/node/home-engine.ts";

export const ENGINE: EngineName =
  ENGINES.find((name) => name === process.env["WEFT_ENGINE"]) ?? "embedded";
export const isEmbedded: boolean = ENGINE === "embedded";
