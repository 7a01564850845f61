/**
 * ristretto255 (RFC 9496): a group of prime order l = 2^252 + 27742317777372353535851937790883648493.
 *
 * Points and scalars are strings of 32 bytes, scalars little-endian and below l; n of them are one string
 * of n * 32 bytes. Wrong lengths and scalars that are not canonical are bugs of the caller (assertions):
 * ask `scalars.areCanonical` about what others sent. Points of others may be anything: functions return
 * undefined when one of them is not canonical.
 *
 * Functions that take a secret say so; they run in constant time and wipe what they copied. Everything
 * else is for public values.
 */
import { joinBytes } from "../../../proto/bytes.ts";
import { POINT_BYTES } from "../../../proto/codec/seal-tx.ts";
import { assert } from "../../../proto/errors.ts";
import { type GroupExports, instantiateGroup } from "./module.ts";

export const SCALAR_BYTES = 32;
/** Uniform bytes that a scalar or a point is made from without bias. */
export const WIDE_BYTES = 64;
/** The order l. */
export const GROUP_ORDER: bigint = (1n << 252n) + 27742317777372353535851937790883648493n;
/** Coefficients up to this many bits are multiplied by doubling and adding. */
const SMALL_COEFFICIENT_BITS = 60n;
/** Outcomes of the module's functions that are not the index of a bad point. */
const DONE = -1;

/** How a list of points is taken. */
export interface PointListOptions {
  /**
   * Keep the decoded list in the group's memory until four others were kept (of up to 4,096 points):
   * calls with the same list, whole, skip decoding it, which is a third of their work. For the list of a
   * block, which comes with every peer.
   */
  readonly keep?: boolean;
}

/** Equations over points; number i says: the sum of its terms is the identity. */
export interface Equations {
  /** Number of equations. */
  readonly count: number;
  /** Terms of each equation's own: n points and n scalars, those of equation i at place i. */
  readonly terms: readonly { readonly points: Uint8Array; readonly scalars: Uint8Array }[];
  /** Terms with one point for all equations and a scalar for each. */
  readonly sharedTerms: readonly { readonly point: Uint8Array; readonly scalars: Uint8Array }[];
}

export interface Group {
  /** The base point G. */
  readonly base: Uint8Array;
  readonly scalars: Scalars;
  /** Secret `scalar` times each point. Constant time. About 70 µs a point. */
  mulEach(
    scalar: Uint8Array,
    points: Uint8Array,
    options?: PointListOptions,
  ): Uint8Array | undefined;
  /** Secret scalars times the base point, each. Constant time. */
  mulBase(scalars: Uint8Array): Uint8Array;
  /** The sum of scalar i times point i. Variable time. */
  multiScalarMul(
    scalars: Uint8Array,
    points: Uint8Array,
    options?: PointListOptions,
  ): Uint8Array | undefined;
  /**
   * Which equations hold: all are tested in one sum, and halves of them when it is not the identity. The
   * scalars must carry the random weights that make this sound. An equation with a point that is the
   * identity or not canonical does not hold. The shared points must be canonical.
   */
  checkEquations(equations: Equations): readonly boolean[];
  /**
   * For each j the sum over k of `coefficients[k]` / `denominator` times point j of `vectors[k]`. Variable
   * time; quick when the coefficients are small integers of either sign, as for consecutive tickets.
   */
  linearCombinations(
    coefficients: readonly bigint[],
    vectors: readonly Uint8Array[],
    denominator?: bigint,
  ): Uint8Array | undefined;
  /** Whether every point is canonical, and (unless allowed) not the identity. */
  isCanonical(points: Uint8Array, identity?: "refuse" | "allow"): boolean;
  /** The one-way map of RFC 9496 §4.3.4 from each 64 bytes to a point. */
  fromUniform(wide: Uint8Array): Uint8Array;
  /** The sum of x^i times commitment i: what `scalars.evaluate` of the polynomial is times G. */
  evaluateCommitments(commitments: Uint8Array, x: number): Uint8Array | undefined;
  /** The same at 1, 2, … `count`, one after the other, with a fraction of the work. */
  evaluateCommitmentsUpTo(commitments: Uint8Array, count: number): Uint8Array | undefined;
}

/** Arithmetic modulo l, constant time in all scalars. */
export interface Scalars {
  areCanonical(scalars: Uint8Array): boolean;
  /** n * 64 bytes, little-endian, to n scalars. */
  reduceWide(wide: Uint8Array): Uint8Array;
  /** a * b + c; with n scalars each, element by element. */
  mulAdd(a: Uint8Array, b: Uint8Array, c: Uint8Array): Uint8Array;
  /** a * b, as `mulAdd`. */
  mul(a: Uint8Array, b: Uint8Array): Uint8Array;
  /** a + b. */
  add(a: Uint8Array, b: Uint8Array): Uint8Array;
  /** a - b. */
  sub(a: Uint8Array, b: Uint8Array): Uint8Array;
  /** 1 / a; zero for zero. */
  invert(a: Uint8Array): Uint8Array;
  /** The polynomial with these coefficients, lowest first, at x, an integer of 32 bits. */
  evaluate(coefficients: Uint8Array, x: number): Uint8Array;
}

/** A group with a memory of its own, for one thread: make one and pass it on. */
export function createGroup(): Group {
  return groupIn(instantiateGroup());
}

/** The group in a module that the caller can look into. */
export function groupIn(module: GroupExports): Group {
  return new WasmGroup(module);
}

/** A public integer modulo l as 32 bytes. Variable time. */
export function scalarFromBigint(value: bigint): Uint8Array {
  const bytes = new Uint8Array(SCALAR_BYTES);
  let rest = ((value % GROUP_ORDER) + GROUP_ORDER) % GROUP_ORDER;
  for (let i = 0; i < SCALAR_BYTES; i++) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

const ONE = scalarFromBigint(1n);

/** Strings in the module's memory for one call, and results out of it. */
class Frame {
  readonly #module: GroupExports;
  readonly #start: number;
  readonly #length: number;
  #position: number;

  constructor(module: GroupExports, length: number) {
    this.#module = module;
    this.#length = length;
    this.#start = module.reserve(length);
    this.#position = this.#start;
  }

  /** Pointer to a copy of `bytes`. */
  put(bytes: Uint8Array): number {
    const at = this.room(bytes.length);
    new Uint8Array(this.#module.memory.buffer).set(bytes, at);
    return at;
  }

  /** Pointer to `length` bytes of whatever is there. */
  room(length: number): number {
    const at = this.#position;
    this.#position += length;
    assert(this.#position <= this.#start + this.#length, "a frame holds all it was made for");
    return at;
  }

  take(at: number, length: number): Uint8Array {
    return new Uint8Array(this.#module.memory.buffer, at, length).slice();
  }

  wipe(): void {
    this.#module.wipe(this.#length);
  }
}

class WasmGroup implements Group {
  readonly base: Uint8Array;
  readonly scalars: Scalars;
  readonly #module: GroupExports;

  constructor(module: GroupExports) {
    this.#module = module;
    this.scalars = new WasmScalars(module);
    this.base = this.mulBase(ONE);
  }

  mulEach(
    scalar: Uint8Array,
    points: Uint8Array,
    options: PointListOptions = {},
  ): Uint8Array | undefined {
    const n = pointCount(points);
    assert(scalar.length === SCALAR_BYTES, "one scalar for all points");
    const frame = new Frame(this.#module, SCALAR_BYTES + 2 * points.length);
    const [s, p, out] = [frame.put(scalar), frame.put(points), frame.room(points.length)];
    const isDone = succeeded(this.#module.mul_each(s, p, n, options.keep === true ? 1 : 0, out));
    const products = isDone ? frame.take(out, points.length) : undefined;
    frame.wipe();
    return products;
  }

  mulBase(scalars: Uint8Array): Uint8Array {
    const n = scalarCount(scalars);
    const frame = new Frame(this.#module, 2 * scalars.length);
    const [s, out] = [frame.put(scalars), frame.room(scalars.length)];
    succeeded(this.#module.mul_base(s, n, out));
    const products = frame.take(out, scalars.length);
    frame.wipe();
    return products;
  }

  multiScalarMul(
    scalars: Uint8Array,
    points: Uint8Array,
    options: PointListOptions = {},
  ): Uint8Array | undefined {
    const n = pointCount(points);
    assert(scalars.length === points.length, "as many scalars as points");
    const frame = new Frame(this.#module, 2 * points.length + POINT_BYTES);
    const [s, p, out] = [frame.put(scalars), frame.put(points), frame.room(POINT_BYTES)];
    const keep = options.keep === true ? 1 : 0;
    const isDone = succeeded(this.#module.multi_scalar_mul(s, p, n, keep, out));
    return isDone ? frame.take(out, POINT_BYTES) : undefined;
  }

  checkEquations({ count, terms, sharedTerms }: Equations): readonly boolean[] {
    const columnBytes = count * POINT_BYTES;
    const frame = new Frame(
      this.#module,
      2 * terms.length * columnBytes + sharedTerms.length * (columnBytes + POINT_BYTES) + count,
    );
    const points = putAll(frame, terms, (term) => term.points, columnBytes);
    const scalars = putAll(frame, terms, (term) => term.scalars, columnBytes);
    const shared = putAll(frame, sharedTerms, (term) => term.point, POINT_BYTES);
    const sharedScalars = putAll(frame, sharedTerms, (term) => term.scalars, columnBytes);
    const verdicts = frame.room(count);
    const outcome = this.#module.check_equations(
      points,
      scalars,
      count,
      terms.length,
      shared,
      sharedScalars,
      sharedTerms.length,
      verdicts,
    );
    assert(outcome === DONE, "shared points and all scalars are canonical");
    return Array.from(frame.take(verdicts, count), (verdict) => verdict === 1);
  }

  linearCombinations(
    coefficients: readonly bigint[],
    vectors: readonly Uint8Array[],
    denominator = 1n,
  ): Uint8Array | undefined {
    const bytes = vectors[0]?.length ?? 0;
    const n = bytes / POINT_BYTES;
    const k = vectors.length;
    assert(Number.isInteger(n), `a point has ${POINT_BYTES} bytes`);
    assert(coefficients.length === k, "as many coefficients as vectors");
    const scale = this.scalars.invert(scalarFromBigint(denominator));
    const limit = 1n << SMALL_COEFFICIENT_BITS;
    const areSmall = coefficients.every((value) => value < limit && value > -limit);
    const factors = areSmall ? signed64(coefficients) : this.#quotients(coefficients, scale);
    const frame = new Frame(this.#module, factors.length + SCALAR_BYTES + k * bytes + bytes);
    const from = frame.put(factors);
    const by = frame.put(scale);
    const points = putAll(frame, vectors, (vector) => vector, bytes);
    const out = frame.room(bytes);
    const outcome = areSmall
      ? this.#module.small_combinations(from, points, k, n, by, out)
      : this.#module.wide_combinations(from, points, k, n, out);
    return succeeded(outcome) ? frame.take(out, bytes) : undefined;
  }

  #quotients(numerators: readonly bigint[], scale: Uint8Array): Uint8Array {
    const scalars = joinBytes(numerators.map(scalarFromBigint));
    return this.scalars.mul(scalars, joinBytes(numerators.map(() => scale)));
  }

  isCanonical(points: Uint8Array, identity: "refuse" | "allow" = "refuse"): boolean {
    const n = pointCount(points);
    const at = new Frame(this.#module, points.length).put(points);
    return this.#module.check_points(at, n, identity === "refuse" ? 1 : 0) === DONE;
  }

  fromUniform(wide: Uint8Array): Uint8Array {
    const n = wideCount(wide);
    const frame = new Frame(this.#module, n * (WIDE_BYTES + POINT_BYTES));
    const [from, out] = [frame.put(wide), frame.room(n * POINT_BYTES)];
    this.#module.from_uniform(from, n, out);
    return frame.take(out, n * POINT_BYTES);
  }

  evaluateCommitments(commitments: Uint8Array, x: number): Uint8Array | undefined {
    const n = pointCount(commitments);
    checkArgument(x);
    const frame = new Frame(this.#module, commitments.length + POINT_BYTES);
    const [points, out] = [frame.put(commitments), frame.room(POINT_BYTES)];
    const isDone = succeeded(this.#module.evaluate_points(points, n, x, out));
    return isDone ? frame.take(out, POINT_BYTES) : undefined;
  }

  evaluateCommitmentsUpTo(commitments: Uint8Array, count: number): Uint8Array | undefined {
    const n = pointCount(commitments);
    checkArgument(count);
    const length = count * POINT_BYTES;
    const frame = new Frame(this.#module, commitments.length + length);
    const [points, out] = [frame.put(commitments), frame.room(length)];
    const isDone = succeeded(this.#module.evaluate_points_up_to(points, n, count, out));
    return isDone ? frame.take(out, length) : undefined;
  }
}

class WasmScalars implements Scalars {
  readonly #module: GroupExports;

  constructor(module: GroupExports) {
    this.#module = module;
  }

  areCanonical(scalars: Uint8Array): boolean {
    const at = new Frame(this.#module, scalars.length).put(scalars);
    return this.#module.check_scalars(at, scalarCount(scalars)) === DONE;
  }

  reduceWide(wide: Uint8Array): Uint8Array {
    const n = wideCount(wide);
    const frame = new Frame(this.#module, n * (WIDE_BYTES + SCALAR_BYTES));
    const [from, out] = [frame.put(wide), frame.room(n * SCALAR_BYTES)];
    this.#module.scalar_reduce_wide(from, n, out);
    return taken(frame, out, n * SCALAR_BYTES);
  }

  mulAdd(a: Uint8Array, b: Uint8Array, c: Uint8Array): Uint8Array {
    const n = scalarCount(a);
    assert(b.length === a.length && c.length === a.length, "operands have one length");
    const frame = new Frame(this.#module, 4 * a.length);
    const [x, y, z, out] = [frame.put(a), frame.put(b), frame.put(c), frame.room(a.length)];
    succeeded(this.#module.scalar_mul_add(x, y, z, n, out));
    return taken(frame, out, a.length);
  }

  mul(a: Uint8Array, b: Uint8Array): Uint8Array {
    return this.mulAdd(a, b, new Uint8Array(a.length));
  }

  add(a: Uint8Array, b: Uint8Array): Uint8Array {
    return this.mulAdd(a, ONE, b);
  }

  sub(a: Uint8Array, b: Uint8Array): Uint8Array {
    assert(scalarCount(a) === 1 && scalarCount(b) === 1, "a scalar less a scalar");
    const frame = new Frame(this.#module, 3 * SCALAR_BYTES);
    const [x, y, out] = [frame.put(a), frame.put(b), frame.room(SCALAR_BYTES)];
    succeeded(this.#module.scalar_sub(x, y, out));
    return taken(frame, out, SCALAR_BYTES);
  }

  invert(a: Uint8Array): Uint8Array {
    assert(scalarCount(a) === 1, "the inverse of one scalar");
    const frame = new Frame(this.#module, 2 * SCALAR_BYTES);
    const [x, out] = [frame.put(a), frame.room(SCALAR_BYTES)];
    succeeded(this.#module.scalar_invert(x, out));
    return taken(frame, out, SCALAR_BYTES);
  }

  evaluate(coefficients: Uint8Array, x: number): Uint8Array {
    const n = scalarCount(coefficients);
    checkArgument(x);
    const frame = new Frame(this.#module, coefficients.length + SCALAR_BYTES);
    const [from, out] = [frame.put(coefficients), frame.room(SCALAR_BYTES)];
    succeeded(this.#module.evaluate(from, n, x, out));
    return taken(frame, out, SCALAR_BYTES);
  }
}

/** Result of an operation on secrets, which leaves nothing behind. */
function taken(frame: Frame, at: number, length: number): Uint8Array {
  const result = frame.take(at, length);
  frame.wipe();
  return result;
}

/** Strings of `bytes` each, one after the other; a pointer to the first. */
function putAll<T>(
  frame: Frame,
  list: readonly T[],
  bytesOf: (element: T) => Uint8Array,
  bytes: number,
): number {
  const at = frame.room(0);
  for (const element of list) {
    const value = bytesOf(element);
    assert(value.length === bytes, `expected ${bytes} bytes, got ${value.length}`);
    frame.put(value);
  }
  return at;
}

/** Each value as eight bytes, little-endian, two's complement. */
function signed64(values: readonly bigint[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * values.length));
  values.forEach((value, i) => {
    view.setBigInt64(8 * i, value, true);
  });
  return new Uint8Array(view.buffer);
}

/** False when a point is not canonical. */
function succeeded(outcome: number): boolean {
  assert(outcome >= DONE, "scalars are canonical: 32 bytes, little-endian, below the group order");
  return outcome === DONE;
}

function pointCount(points: Uint8Array): number {
  return countOf(points, POINT_BYTES, "points");
}

function scalarCount(scalars: Uint8Array): number {
  return countOf(scalars, SCALAR_BYTES, "scalars");
}

function wideCount(wide: Uint8Array): number {
  return countOf(wide, WIDE_BYTES, "uniform strings");
}

function countOf(bytes: Uint8Array, size: number, what: string): number {
  const count = bytes.length / size;
  assert(Number.isInteger(count), `${what} have ${size} bytes each, got ${bytes.length}`);
  return count;
}

function checkArgument(x: number): void {
  assert(Number.isInteger(x) && x >= 0 && x <= 0xffff_ffff, `expected 32 bits, got ${x}`);
}
