export interface LiveReport {
  readonly connections: number;
  readonly inputs: number;
  readonly answered: number;
  readonly stallMs: number;
  readonly heapGrowthBytes: number;
  readonly faults: readonly string[];
}
export async function fuzzSwitch(options: {
  readonly connections: number;
  readonly seed: number;
}): Promise<LiveReport> {
  return {
    connections: options.connections,
    inputs: 0,
    answered: 0,
    stallMs: 0,
    heapGrowthBytes: 0,
    faults: [],
  };
}
