/** A key for sealed transactions as a generation would make it, with all its secrets: for tests. */
import type { SealKeyState } from "../../proto/codec/seal-state.ts";
import { Height } from "../../proto/brands.ts";
import { compareBytes, concatBytes, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import type { TicketSecretOf } from "../../mev/seal/shares.ts";
import { createGroup, SCALAR_BYTES } from "../../mev/seal/group/group.ts";

const group = createGroup();

export interface TestSealKey {
  readonly state: SealKeyState;
  /** x of a ticket. */
  readonly secretOf: TicketSecretOf;
  /** U of so many ciphertexts. */
  points(count: number, name?: string): Uint8Array;
}

export function scalarOf(name: string): Uint8Array {
  const half = sha256(utf8ToBytes(name));
  return group.scalars.reduceWide(concatBytes(half, sha256(half)));
}

/** `tickets` of each validator; `threshold` of them open. */
export function testSealKey(
  number: number,
  validators: readonly { readonly address: Uint8Array }[],
  tickets: readonly number[],
  threshold: number,
): TestSealKey {
  const polynomial = concatBytes(
    ...Array.from({ length: threshold }, (_, k) => scalarOf(`key ${number}/${k}`)),
  );
  const total = tickets.reduce((sum, count) => sum + count, 0);
  const secrets = Array.from({ length: total }, (_, i) =>
    group.scalars.evaluate(polynomial, i + 1),
  );
  const members = validators
    .map(({ address }, i) => ({
      validator: address,
      encryptionKey: group.mulBase(scalarOf(`encryption ${i}`)),
      tickets: tickets[i] ?? 0,
    }))
    .filter((member) => member.tickets > 0)
    .sort((a, b) => compareBytes(a.validator, b.validator));
  return {
    state: {
      number,
      publicKey: group.mulBase(polynomial.subarray(0, SCALAR_BYTES)),
      threshold,
      publicShares: group.mulBase(concatBytes(...secrets)),
      members,
      dealers: members.map(({ validator }) => validator),
      activeHeight: Height(1),
      retiredHeight: Height(0),
    },
    secretOf: (key, ticket) => (key === number ? secrets[ticket - 1] : undefined),
    points: (count, name = "") =>
      group.mulBase(
        concatBytes(...Array.from({ length: count }, (_, i) => scalarOf(`item ${name}${i}`))),
      ),
  };
}
