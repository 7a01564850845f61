/** The Solidity compiler as far as tests use it: standard JSON in, standard JSON out. */
declare module "solc" {
  const solc: { compile(input: string): string };
  export default solc;
}
