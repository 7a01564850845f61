/**
 * A run depends on its seed alone. Whatever could make it depend on anything else, the real clock,
 * real randomness, a timer, a thread, throws here while a process does nothing but simulate.
 */
import { SimulationFailure } from "./checkers.ts";

/** Replaces the globals that know more than the seed; call it once, before the first run. */
export function forbidOutsideWorld(): void {
  const forbid = (what: string) => (): never => {
    throw new SimulationFailure(
      `determinism: ${what} was used inside a simulation; take it from a port`,
    );
  };
  Date.now = forbid("Date.now");
  Math.random = forbid("Math.random");
  performance.now = forbid("performance.now");
  Object.assign(globalThis, {
    setTimeout: forbid("setTimeout"),
    setInterval: forbid("setInterval"),
    setImmediate: forbid("setImmediate"),
  });
}

/** Things of the process that end when they like. What is printed is not among them. */
const OUTSIDE = /^(FSReq|Timeout|TCP|Worker|MessagePort|GetAddrInfo|DNS)/;

/** @throws SimulationFailure when something outside virtual time is under way. */
export function assertNothingOutside(): void {
  const found = process.getActiveResourcesInfo().find((name) => OUTSIDE.test(name));
  if (found === undefined) return;
  throw new SimulationFailure(
    `determinism: ${found} is under way outside of virtual time; take it from a port`,
  );
}
