/**
 * A key generation a second time, line by line from docs/formats.md ("Sealed transactions: keys"), with the
 * integers and noble's group of `seal-reference.ts`.
 */
import {
  BASE,
  dleq,
  H,
  hex,
  Hs,
  join,
  littleEndian,
  type NoblePoint,
  ORDER,
  possession,
  scalarBytes,
  tag,
  times,
  u32,
  ZERO,
} from "./seal-reference.ts";

export interface DkgReferenceInput {
  readonly chainId: string;
  readonly key: number;
  readonly threshold: number;
  /** In the order of their tickets. */
  readonly members: readonly {
    readonly validator: Uint8Array;
    readonly secret: bigint;
    readonly tickets: number;
    /** Of its dealing. */
    readonly seed: Uint8Array;
  }[];
}

/** All values as hex: registrations, dealings, the key, and of the first member's first ticket a complaint about each dealing. */
export function referenceDkg(input: DkgReferenceInput) {
  const chain = Buffer.from(input.chainId);
  const chainId = join(u32(chain.length), chain);
  const context = join(chainId, u32(0), u32(input.key));
  const prefixed = (bytes: Uint8Array): Uint8Array => join(u32(bytes.length), bytes);
  const flat = (points: readonly NoblePoint[]): Uint8Array =>
    join(...points.map((point) => point.toBytes()));
  const holders = input.members.flatMap((member) =>
    Array.from({ length: member.tickets }, () => member),
  );
  const valueAt = (polynomial: readonly bigint[], x: number): bigint =>
    polynomial.reduceRight((value, a) => (value * BigInt(x) + a) % ORDER, 0n);
  const shareMask = (d: Uint8Array, ticket: number, R: NoblePoint, K: NoblePoint): bigint =>
    Hs("deal-share", context, d, u32(ticket), R.toBytes(), K.toBytes());

  const dealt = input.members.map(({ validator: d, seed }) => {
    const polynomial = Array.from({ length: input.threshold }, (_, k) =>
      Hs("deal-coefficient", seed, context, d, u32(k)),
    );
    const rho = Hs("deal-ephemeral", seed, context, d);
    const R = times(rho, BASE);
    const C = polynomial.map((a) => times(a, BASE));
    const shares = join(
      ...holders.map(({ secret }, i) => {
        const K = times(rho, times(secret, BASE));
        const value = valueAt(polynomial, i + 1) + shareMask(d, i + 1, R, K);
        return scalarBytes(value % ORDER);
      }),
    );
    const h = littleEndian(
      H("deal-binding", context, d, u32(input.threshold), flat(C), R.toBytes(), shares),
    );
    const proven = ((polynomial[0] ?? 0n) + h * rho) % ORDER;
    const proof = possession(proven, times(proven, BASE), prefixed(join(tag("deal"), context, d)));
    return { d, polynomial, R, C, shares, proof };
  });

  const secrets = holders.map((_, i) =>
    dealt.reduce((sum, { polynomial }) => (sum + valueAt(polynomial, i + 1)) % ORDER, 0n),
  );
  const [first] = input.members;
  return {
    registrations: input.members.map(({ validator, secret }) => {
      const E = times(secret, BASE);
      const proof = possession(
        secret,
        E,
        prefixed(join(tag("encryption-key"), chainId, validator)),
      );
      return { encryptionKey: hex(E.toBytes()), possession: hex(proof) };
    }),
    dealings: dealt.map(({ R, C, shares, proof }) => ({
      commitments: hex(flat(C)),
      ephemeral: hex(R.toBytes()),
      shares: hex(shares),
      possession: hex(proof),
    })),
    complaints: dealt.map(({ d, R }) => {
      if (first === undefined) throw new RangeError("there are members");
      const statement = prefixed(join(tag("complaint"), context, d, first.validator));
      return {
        sharedKey: hex(times(first.secret, R).toBytes()),
        proof: hex(dleq(first.secret, times(first.secret, BASE), R, statement)),
      };
    }),
    publicKey: hex(dealt.reduce((sum, { C }) => sum.add(C[0] ?? ZERO), ZERO).toBytes()),
    publicShares: hex(flat(secrets.map((secret) => times(secret, BASE)))),
    secrets: secrets.map((secret) => hex(scalarBytes(secret))),
  };
}
