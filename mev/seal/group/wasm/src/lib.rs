//! ristretto255 (RFC 9496) by curve25519-dalek, over flat buffers in linear memory.
//!
//! The caller asks for a buffer with `reserve`, writes inputs into it and calls a function with
//! pointers into it. Points and scalars are 32 bytes each, as RFC 9496 encodes them; `n` of them
//! stand one after the other. What takes secrets (`mul_each`, `mul_base`, `scalar_*`, `evaluate`)
//! runs in constant time; the rest says that it does not. The caller calls `wipe` when the buffer
//! held secrets. One instance serves one thread, and no function keeps a pointer.

use core::cell::UnsafeCell;
use core::slice;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_TABLE;
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity, IsIdentity, VartimeMultiscalarMul};
use zeroize::Zeroize;

/// All went well.
const DONE: i32 = -1;
/// A scalar is not canonical, which the caller has to rule out.
const BAD_SCALAR: i32 = -2;

/// Words of stack that `wipe` clears: 16 KiB.
const STACK_WORDS: usize = 2_048;

/// Lists that stay decoded: of the blocks under way, and one that is late.
const KEPT_LISTS_MAX: usize = 4;
/// Points of a list that may stay: more than a block has.
const KEPT_POINTS_MAX: usize = 4_096;

struct State {
    buffer: Vec<u8>,
    /// Lists decoded last with `keep`, the latest first: the same list comes for every peer.
    kept: Vec<KeptList>,
}

struct KeptList {
    bytes: Vec<u8>,
    points: Vec<RistrettoPoint>,
}

struct SingleThreaded(UnsafeCell<State>);
// SAFETY: the module is compiled without threads and its memory is not shared.
unsafe impl Sync for SingleThreaded {}

static STATE: SingleThreaded = SingleThreaded(UnsafeCell::new(State {
    buffer: Vec::new(),
    kept: Vec::new(),
}));

#[allow(clippy::mut_from_ref)]
fn state() -> &'static mut State {
    // SAFETY: one thread, and every export takes this once and does not call another export.
    unsafe { &mut *STATE.0.get() }
}

/// A buffer of at least `length` bytes; what the last one held is gone.
#[no_mangle]
pub extern "C" fn reserve(length: usize) -> *mut u8 {
    let buffer = &mut state().buffer;
    if buffer.len() < length {
        buffer.zeroize();
        *buffer = vec![0; length.next_power_of_two()];
    }
    buffer.as_mut_ptr()
}

/// Clears the first `length` bytes of the buffer, and the stack as deep as the last call used it.
#[no_mangle]
pub extern "C" fn wipe(length: usize) {
    let buffer = &mut state().buffer;
    let end = length.min(buffer.len());
    // The buffer outlives this call and is read from outside, so this is not optimised away.
    buffer[..end].fill(0);
    // Calls from outside all begin at the same depth, and none of them goes deeper than this.
    [0u64; STACK_WORDS].zeroize();
}

/// Index of the first point that is not canonical (or is the identity, where `refuse_identity`), or -1.
#[no_mangle]
pub unsafe extern "C" fn check_points(points: *const u8, n: usize, refuse_identity: i32) -> i32 {
    for (i, bytes) in input(points, n).iter().enumerate() {
        match CompressedRistretto(*bytes).decompress() {
            Some(point) if refuse_identity == 0 || !point.is_identity() => {}
            _ => return i as i32,
        }
    }
    DONE
}

/// One-way map of RFC 9496, 64 bytes to a point, `n` times.
#[no_mangle]
pub unsafe extern "C" fn from_uniform(wide: *const u8, n: usize, out: *mut u8) {
    let wide = slice::from_raw_parts(wide as *const [u8; 64], n);
    for (bytes, out) in wide.iter().zip(output(out, n)) {
        *out = RistrettoPoint::from_uniform_bytes(bytes).compress().to_bytes();
    }
}

/// One secret scalar times each point. Index of the first point that is not canonical, or -1.
#[no_mangle]
pub unsafe extern "C" fn mul_each(
    scalar: *const u8,
    points: *const u8,
    n: usize,
    keep: i32,
    out: *mut u8,
) -> i32 {
    let Some(mut scalar) = canonical(&input(scalar, 1)[0]) else { return BAD_SCALAR };
    // Encoding twice a point needs no square root, and a batch shares its one inversion.
    let mut half = scalar * Scalar::from(2u8).invert();
    let result = decode(points, n, keep != 0).map(|points| {
        let mut products: Vec<RistrettoPoint> = points.iter().map(|point| point * half).collect();
        let encoded = RistrettoPoint::double_and_compress_batch(products.iter());
        for (point, out) in encoded.iter().zip(output(out, n)) {
            *out = point.to_bytes();
        }
        products.zeroize();
    });
    scalar.zeroize();
    half.zeroize();
    match result {
        Ok(()) => DONE,
        Err(index) => index,
    }
}

/// Each secret scalar times the base point.
#[no_mangle]
pub unsafe extern "C" fn mul_base(scalars: *const u8, n: usize, out: *mut u8) -> i32 {
    for (bytes, out) in input(scalars, n).iter().zip(output(out, n)) {
        let Some(mut scalar) = canonical(bytes) else { return BAD_SCALAR };
        let mut product = RISTRETTO_BASEPOINT_TABLE * &scalar;
        *out = product.compress().to_bytes();
        scalar.zeroize();
        product.zeroize();
    }
    DONE
}

/// Sum of public scalars times points, variable time. Index of the first bad point, or -1.
#[no_mangle]
pub unsafe extern "C" fn multi_scalar_mul(
    scalars: *const u8,
    points: *const u8,
    n: usize,
    keep: i32,
    out: *mut u8,
) -> i32 {
    let Some(scalars) = all_canonical(input(scalars, n)) else { return BAD_SCALAR };
    match decode(points, n, keep != 0) {
        Ok(points) => {
            let sum = RistrettoPoint::vartime_multiscalar_mul(scalars.iter(), points.iter());
            output(out, 1)[0] = sum.compress().to_bytes();
            DONE
        }
        Err(index) => index,
    }
}

/// Which of `n` equations hold, all tested in one sum and halves of them when that fails.
///
/// Equation i: the sum over m columns of scalar[c][i] * point[c][i], plus the sum over k shared points
/// of shared_scalar[s][i] * shared[s], is the identity. The scalars carry the random weights already.
/// An equation with a point that is not canonical, or is the identity, does not hold. Verdicts are
/// bytes, 1 or 0. Variable time.
#[no_mangle]
pub unsafe extern "C" fn check_equations(
    points: *const u8,
    scalars: *const u8,
    n: usize,
    m: usize,
    shared: *const u8,
    shared_scalars: *const u8,
    k: usize,
    verdicts: *mut u8,
) -> i32 {
    let verdicts = slice::from_raw_parts_mut(verdicts, n);
    let Some(scalars) = all_canonical(input(scalars, n * m)) else { return BAD_SCALAR };
    let Some(shared_scalars) = all_canonical(input(shared_scalars, n * k)) else { return BAD_SCALAR };
    let Ok(shared) = decode(shared, k, false) else { return BAD_SCALAR };
    verdicts.fill(1);
    let mut columns: Vec<Vec<RistrettoPoint>> = Vec::with_capacity(m);
    for c in 0..m {
        columns.push(decode_marking(points.add(c * n * 32), n, verdicts));
    }
    let alive: Vec<usize> = (0..n).filter(|&i| verdicts[i] == 1).collect();
    let system = System { n, columns, scalars, shared, shared_scalars };
    system.judge(&alive, verdicts);
    DONE
}

struct System {
    n: usize,
    columns: Vec<Vec<RistrettoPoint>>,
    scalars: Vec<Scalar>,
    shared: Vec<RistrettoPoint>,
    shared_scalars: Vec<Scalar>,
}

impl System {
    fn judge(&self, members: &[usize], verdicts: &mut [u8]) {
        if members.is_empty() || self.holds(members) {
            return;
        }
        if let [only] = members {
            verdicts[*only] = 0;
            return;
        }
        let (left, right) = members.split_at(members.len() / 2);
        self.judge(left, verdicts);
        self.judge(right, verdicts);
    }

    fn holds(&self, members: &[usize]) -> bool {
        let count = members.len() * self.columns.len() + self.shared.len();
        let mut scalars = Vec::with_capacity(count);
        let mut points = Vec::with_capacity(count);
        for (c, column) in self.columns.iter().enumerate() {
            for &i in members {
                scalars.push(self.scalars[c * self.n + i]);
                points.push(column[i]);
            }
        }
        for (s, point) in self.shared.iter().enumerate() {
            scalars.push(members.iter().map(|&i| self.shared_scalars[s * self.n + i]).sum());
            points.push(*point);
        }
        RistrettoPoint::vartime_multiscalar_mul(scalars.iter(), points.iter()).is_identity()
    }
}

/// For each j the sum over k vectors of small[k] * vector[k][j], times `scale` unless that is one.
/// `small` are signed 64-bit integers, little-endian, below 2^62. Variable time. Index of the first bad
/// point in the vectors as they follow each other, or -1.
#[no_mangle]
pub unsafe extern "C" fn small_combinations(
    small: *const u8,
    vectors: *const u8,
    k: usize,
    n: usize,
    scale: *const u8,
    out: *mut u8,
) -> i32 {
    let small = slice::from_raw_parts(small as *const [u8; 8], k);
    let digits: Vec<Vec<i8>> = small.iter().map(|b| signed_digits(i64::from_le_bytes(*b))).collect();
    let length = digits.iter().map(Vec::len).max().unwrap_or(0);
    let Some(scale) = canonical(&input(scale, 1)[0]) else { return BAD_SCALAR };
    let points = match decode(vectors, k * n, false) {
        Ok(points) => points,
        Err(index) => return index,
    };
    for (j, out) in output(out, n).iter_mut().enumerate() {
        let mut sum = RistrettoPoint::identity();
        for bit in (0..length).rev() {
            if bit + 1 < length {
                sum = sum + sum;
            }
            for (v, digits) in digits.iter().enumerate() {
                match digits.get(bit) {
                    Some(1) => sum += points[v * n + j],
                    Some(-1) => sum -= points[v * n + j],
                    _ => {}
                }
            }
        }
        if scale != Scalar::ONE {
            sum = RistrettoPoint::vartime_double_scalar_mul_basepoint(&scale, &sum, &Scalar::ZERO);
        }
        *out = sum.compress().to_bytes();
    }
    DONE
}

/// As `small_combinations`, with scalars of any size.
#[no_mangle]
pub unsafe extern "C" fn wide_combinations(
    scalars: *const u8,
    vectors: *const u8,
    k: usize,
    n: usize,
    out: *mut u8,
) -> i32 {
    let Some(scalars) = all_canonical(input(scalars, k)) else { return BAD_SCALAR };
    let points = match decode(vectors, k * n, false) {
        Ok(points) => points,
        Err(index) => return index,
    };
    for (j, out) in output(out, n).iter_mut().enumerate() {
        let column = (0..k).map(|v| points[v * n + j]);
        *out = RistrettoPoint::vartime_multiscalar_mul(scalars.iter(), column).compress().to_bytes();
    }
    DONE
}

/// The sum of x^i times point i, by Horner's rule. Variable time; quick while x is small.
#[no_mangle]
pub unsafe extern "C" fn evaluate_points(points: *const u8, n: usize, x: u32, out: *mut u8) -> i32 {
    match decode(points, n, false) {
        Ok(points) => {
            let mut sum = RistrettoPoint::identity();
            for point in points.iter().rev() {
                sum = times(&sum, x) + point;
            }
            output(out, 1)[0] = sum.compress().to_bytes();
            DONE
        }
        Err(index) => index,
    }
}

/// The polynomial with these points as coefficients, lowest first, at 1, 2, …, m. In Newton's form, by dividing
/// by x - 1, x - 2, …, the values follow by additions alone. Variable time.
#[no_mangle]
pub unsafe extern "C" fn evaluate_points_up_to(
    points: *const u8,
    n: usize,
    m: usize,
    out: *mut u8,
) -> i32 {
    let mut terms = match decode(points, n, false) {
        Ok(points) => points,
        Err(index) => return index,
    };
    for j in 1..=n {
        // What is left of dividing by x - j moves into term j - 1.
        for i in (j..n).rev() {
            terms[i - 1] = terms[i - 1] + times(&terms[i], j as u32);
        }
    }
    // Term j of (x-1)(x-2)…(x-j), j! times: the j-th difference at 1.
    let mut factorial = Scalar::ONE;
    for (j, term) in terms.iter_mut().enumerate().skip(2) {
        factorial *= Scalar::from(j as u64);
        *term = RistrettoPoint::vartime_double_scalar_mul_basepoint(&factorial, term, &Scalar::ZERO);
    }
    for (at, out) in output(out, m).iter_mut().enumerate() {
        *out = terms.first().copied().unwrap_or_default().compress().to_bytes();
        // Differences that no later value depends on are left as they are.
        for j in 1..n.min(m - at) {
            terms[j - 1] = terms[j - 1] + terms[j];
        }
    }
    DONE
}

/// Index of the first scalar that is not below the group order, or -1.
#[no_mangle]
pub unsafe extern "C" fn check_scalars(scalars: *const u8, n: usize) -> i32 {
    let bad = input(scalars, n).iter().position(|bytes| canonical(bytes).is_none());
    bad.map_or(DONE, |index| index as i32)
}

/// 64 bytes, little-endian, modulo the group order, `n` times.
#[no_mangle]
pub unsafe extern "C" fn scalar_reduce_wide(wide: *const u8, n: usize, out: *mut u8) {
    let wide = slice::from_raw_parts(wide as *const [u8; 64], n);
    for (bytes, out) in wide.iter().zip(output(out, n)) {
        let mut scalar = Scalar::from_bytes_mod_order_wide(bytes);
        *out = scalar.to_bytes();
        scalar.zeroize();
    }
}

/// a * b + c, element by element.
#[no_mangle]
pub unsafe extern "C" fn scalar_mul_add(
    a: *const u8,
    b: *const u8,
    c: *const u8,
    n: usize,
    out: *mut u8,
) -> i32 {
    for i in 0..n {
        let (a, b, c) = (&input(a, n)[i], &input(b, n)[i], &input(c, n)[i]);
        let (Some(mut a), Some(mut b), Some(mut c)) = (canonical(a), canonical(b), canonical(c))
        else {
            return BAD_SCALAR;
        };
        let mut result = a * b + c;
        output(out, n)[i] = result.to_bytes();
        a.zeroize();
        b.zeroize();
        c.zeroize();
        result.zeroize();
    }
    DONE
}

/// a - b.
#[no_mangle]
pub unsafe extern "C" fn scalar_sub(a: *const u8, b: *const u8, out: *mut u8) -> i32 {
    let (Some(mut a), Some(mut b)) = (canonical(&input(a, 1)[0]), canonical(&input(b, 1)[0])) else {
        return BAD_SCALAR;
    };
    let mut result = a - b;
    output(out, 1)[0] = result.to_bytes();
    a.zeroize();
    b.zeroize();
    result.zeroize();
    DONE
}

/// The inverse; of zero, zero.
#[no_mangle]
pub unsafe extern "C" fn scalar_invert(a: *const u8, out: *mut u8) -> i32 {
    let Some(mut a) = canonical(&input(a, 1)[0]) else { return BAD_SCALAR };
    let mut result = if a == Scalar::ZERO { a } else { a.invert() };
    output(out, 1)[0] = result.to_bytes();
    a.zeroize();
    result.zeroize();
    DONE
}

/// The polynomial with secret coefficients, lowest first, at x.
#[no_mangle]
pub unsafe extern "C" fn evaluate(coefficients: *const u8, n: usize, x: u32, out: *mut u8) -> i32 {
    let x = Scalar::from(x);
    let mut sum = Scalar::ZERO;
    for bytes in input(coefficients, n).iter().rev() {
        let Some(mut coefficient) = canonical(bytes) else { return BAD_SCALAR };
        sum = sum * x + coefficient;
        coefficient.zeroize();
    }
    output(out, 1)[0] = sum.to_bytes();
    sum.zeroize();
    DONE
}

unsafe fn input<'a>(pointer: *const u8, n: usize) -> &'a [[u8; 32]] {
    slice::from_raw_parts(pointer as *const [u8; 32], n)
}

unsafe fn output<'a>(pointer: *mut u8, n: usize) -> &'a mut [[u8; 32]] {
    slice::from_raw_parts_mut(pointer as *mut [u8; 32], n)
}

fn canonical(bytes: &[u8; 32]) -> Option<Scalar> {
    Scalar::from_canonical_bytes(*bytes).into()
}

fn all_canonical(scalars: &[[u8; 32]]) -> Option<Vec<Scalar>> {
    scalars.iter().map(canonical).collect()
}

/// The points, from what was kept when they are the same; else the index of the first bad one.
unsafe fn decode(points: *const u8, n: usize, keep: bool) -> Result<Vec<RistrettoPoint>, i32> {
    let kept = &mut state().kept;
    let bytes = slice::from_raw_parts(points, n * 32);
    if let Some(at) = kept.iter().position(|list| list.bytes == bytes) {
        kept[..=at].rotate_right(1);
        return Ok(kept[0].points.clone());
    }
    let mut decoded = Vec::with_capacity(n);
    for (i, bytes) in input(points, n).iter().enumerate() {
        decoded.push(CompressedRistretto(*bytes).decompress().ok_or(i as i32)?);
    }
    if keep && n > 0 && n <= KEPT_POINTS_MAX {
        kept.truncate(KEPT_LISTS_MAX - 1);
        kept.insert(0, KeptList { bytes: bytes.to_vec(), points: decoded.clone() });
    }
    Ok(decoded)
}

/// The points, the identity in place of those that are not acceptable, whose verdict becomes 0.
unsafe fn decode_marking(points: *const u8, n: usize, verdicts: &mut [u8]) -> Vec<RistrettoPoint> {
    let decoded = match decode(points, n, false) {
        Ok(decoded) => decoded,
        Err(_) => input(points, n)
            .iter()
            .map(|bytes| CompressedRistretto(*bytes).decompress().unwrap_or_default())
            .collect(),
    };
    for (point, verdict) in decoded.iter().zip(verdicts) {
        if point.is_identity() {
            *verdict = 0;
        }
    }
    decoded
}

/// x times the point by doubling and adding.
fn times(point: &RistrettoPoint, x: u32) -> RistrettoPoint {
    let mut product = RistrettoPoint::identity();
    for bit in (0..32 - x.leading_zeros()).rev() {
        product = product + product;
        if (x >> bit) & 1 == 1 {
            product += point;
        }
    }
    product
}

/// The non-adjacent form, lowest digit first: a third of the digits is not zero.
fn signed_digits(value: i64) -> Vec<i8> {
    let mut rest = value;
    let mut digits = Vec::new();
    while rest != 0 {
        let digit = if rest & 1 == 0 { 0 } else { 2 - (rest & 3) };
        digits.push(digit as i8);
        rest = (rest - digit) >> 1;
    }
    digits
}
