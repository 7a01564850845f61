/** The ports of benchmarks are those of every network of this machine. */
export { freePorts } from "../sequencer/cli/free-ports.ts";
