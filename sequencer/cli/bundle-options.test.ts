import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { compareBytes, EMPTY_BYTES } from "../../proto/bytes.ts";
import { RevertMode } from "../../proto/codec/mev-tx.ts";
import { Ordering, PLAIN_POLICY, ROLLUP_POLICY_CODEC } from "../../proto/codec/rollup-policy.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import {
  addLegOption,
  addWindowOptions,
  appendRevert,
  appendTip,
  type LegOptions,
  legsOf,
  parseKey,
  replacementOf,
  type WindowOptions,
  windowOf,
} from "./bundle-options.ts";
import { addPolicyOptions, type PolicyOptions, policyOf } from "./policy-options.ts";

/** A command that has taken its arguments; throws what it refuses them with. */
function parsed(add: (command: Command) => Command, ...args: string[]): Command {
  const command = add(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  return command.parse(args, { from: "user" });
}

describe("legs", () => {
  const legs = (...args: string[]) => parsed(addLegOption, ...args).opts<LegOptions>().leg;

  test("data of a rollup that is named again joins the data before", () => {
    const leg = legs("--leg", "beta=aa", "--leg", "alpha=0xbb", "--leg", "beta=cc");
    const modes = appendRevert("alpha=fail");
    expect(legsOf(leg, modes, appendTip("beta=7"))).toEqual([
      {
        rollupId: rollupIdOfName("beta"),
        data: [Uint8Array.of(0xaa), Uint8Array.of(0xcc)],
        revertMode: RevertMode.ALLOW,
        tip: 7n,
      },
      {
        rollupId: rollupIdOfName("alpha"),
        data: [Uint8Array.of(0xbb)],
        revertMode: RevertMode.FAIL,
        tip: 0n,
      },
    ]);
  });

  test("what is no leg, or is said of a rollup without one, is refused", () => {
    expect(() => legs()).toThrow(/required option '--leg/);
    expect(() => legs("--leg", "alpha")).toThrow(/expected <rollup>=<value>/);
    expect(() => legs("--leg", "Alpha=00")).toThrow(/is no rollup's name/);
    expect(() => legs("--leg", "alpha=xyz")).toThrow(/expected hex/);
    for (const mode of ["never", "constructor"]) {
      expect(() => appendRevert(`alpha=${mode}`)).toThrow(/expected one of allow, drop, fail/);
    }
    expect(() => legsOf([], appendRevert("alpha=drop"))).toThrow(/there is no --leg for alpha/);
  });
});

describe("heights", () => {
  const window = (height: number, latest: number | undefined, ...args: string[]) =>
    windowOf(parsed(addWindowOptions, ...args).opts<WindowOptions>(), height, latest);

  test("without options, the next block and 25 more", () => {
    expect(window(100, undefined)).toEqual({ minHeight: 0, maxHeight: 126 });
    expect(window(100, undefined, "--min", "180")).toEqual({ minHeight: 180, maxHeight: 201 });
    expect(window(100, undefined, "--max", "130")).toEqual({ minHeight: 0, maxHeight: 130 });
  });

  test("none that no block can meet, nor one after the key's end", () => {
    expect(window(100, 110)).toEqual({ minHeight: 0, maxHeight: 110 });
    expect(() => window(100, 110, "--min", "120")).toThrow(/no block from 120 to 110/);
    expect(() => window(100, undefined, "--max", "100")).toThrow(/choose a later --max/);
  });
});

test("a replacement key is 16 bytes or a UUID; a sequence needs one", () => {
  const key = parseKey("01234567-89ab-cdef-0123-456789abcdef");
  expect(key).toEqual(parseKey("0123456789abcdef0123456789abcdef"));
  expect(() => parseKey("0123")).toThrow(/expected 16 bytes/);
  expect(replacementOf(key, 5n)).toEqual({ key, sequence: 5n });
  expect(replacementOf(key, undefined)?.sequence).toBeGreaterThan(1_600_000_000_000n);
  expect(replacementOf(undefined, undefined)).toBeUndefined();
  expect(() => replacementOf(undefined, 5n)).toThrow(/--sequence needs --key/);
});

describe("policy", () => {
  const policy = (base: typeof PLAIN_POLICY, ...args: string[]) =>
    policyOf(base, parsed(addPolicyOptions, ...args).opts<PolicyOptions>());

  test("a share is the chain's, or at least half", () => {
    const share = (text: string) => policy(PLAIN_POLICY, "--revenue-share-bps", text);
    for (const bps of [0, 5_000, 10_000]) {
      expect(share(`${bps}`)).toEqual({ ...PLAIN_POLICY, revenueShareBps: bps });
    }
    for (const text of ["1", "4999", "10001", "half"])
      expect(() => share(text)).toThrow(/expected/);
  });

  test("what is not named stays as it is", () => {
    const group = ["--auction-members", "b", "c", "a", "--auction", "on", "--reserve", "9"];
    const first = policy(PLAIN_POLICY, "--ordering", "sealed-random", ...group);
    expect(first).toEqual({
      ...PLAIN_POLICY,
      ordering: Ordering.SEALED_RANDOM,
      auction: true,
      reserve: 9n,
      auctionMembers: expect.arrayContaining(["a", "b", "c"].map(rollupIdOfName)),
    });
    // In the order in which the chain takes them.
    expect(ROLLUP_POLICY_CODEC.decode(ROLLUP_POLICY_CODEC.encode(first))).toEqual(first);
    expect(policy(first)).toEqual(first);
    const second = policy(first, "--auction-members", "none", "--bundles", "off");
    expect(second).toEqual({ ...first, auctionMembers: [], bundlesOff: true });
    const partners = policy(second, "--atomic-partners", "b", "a");
    expect(partners).toEqual({
      ...second,
      atomicPartners: ["a", "b"].map(rollupIdOfName).sort(compareBytes),
    });
    expect(policy(partners, "--atomic-partners", "none")).toEqual(second);
    expect(policy(second, "--bundles", "on", "--auction", "off")).toEqual({
      ...second,
      bundlesOff: false,
      auction: false,
    });
  });

  test("a leader is a rollup's name, or none", () => {
    const led = policy(PLAIN_POLICY, "--auction-leader", "alpha");
    expect(led.auctionLeader).toEqual(rollupIdOfName("alpha"));
    expect(policy(led, "--auction-leader", "none").auctionLeader).toEqual(EMPTY_BYTES);
  });

  test("other values are refused", () => {
    expect(() => policy(PLAIN_POLICY, "--ordering", "random")).toThrow(/one of commit-order/);
    expect(() => policy(PLAIN_POLICY, "--auction", "yes")).toThrow(/expected on or off/);
    expect(() => policy(PLAIN_POLICY, "--executor-key", "00")).toThrow(/32 bytes/);
  });
});
