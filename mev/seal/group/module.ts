/** The group's WebAssembly module as TypeScript sees it; `wasm/src/lib.rs` is its other side. */
import { fromBase64 } from "../../../proto/bytes.ts";
import { GROUP_MODULE_BASE64 } from "./gen/module.ts";

/** What the module exports. Pointers are offsets into `memory`; results below zero but -1 are bugs. */
export interface GroupExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  reserve(length: number): number;
  wipe(length: number): void;
  check_points(points: number, n: number, refuseIdentity: number): number;
  from_uniform(wide: number, n: number, out: number): void;
  mul_each(scalar: number, points: number, n: number, keep: number, out: number): number;
  mul_base(scalars: number, n: number, out: number): number;
  multi_scalar_mul(scalars: number, points: number, n: number, keep: number, out: number): number;
  check_equations(
    points: number,
    scalars: number,
    n: number,
    m: number,
    shared: number,
    sharedScalars: number,
    k: number,
    verdicts: number,
  ): number;
  small_combinations(
    small: number,
    vectors: number,
    k: number,
    n: number,
    scale: number,
    out: number,
  ): number;
  wide_combinations(scalars: number, vectors: number, k: number, n: number, out: number): number;
  evaluate_points(points: number, n: number, x: number, out: number): number;
  evaluate_points_up_to(points: number, n: number, count: number, out: number): number;
  check_scalars(scalars: number, n: number): number;
  scalar_reduce_wide(wide: number, n: number, out: number): void;
  scalar_mul_add(a: number, b: number, c: number, n: number, out: number): number;
  scalar_sub(a: number, b: number, out: number): number;
  scalar_invert(a: number, out: number): number;
  evaluate(coefficients: number, n: number, x: number, out: number): number;
}

/** The part of the WebAssembly API that is used here; `lib` has no declaration of it. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
}

/** A new instance with a memory of its own: a few milliseconds, once per thread. */
export function instantiateGroup(): GroupExports {
  const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: WebAssemblyApi };
  const module = new WebAssembly.Module(fromBase64(GROUP_MODULE_BASE64));
  return new WebAssembly.Instance(module, {}).exports as GroupExports;
}
