import { describe, expect, test } from "vitest";
import {
  type ChainProvider,
  chainProvider,
  LIGHT_CHAIN_ID,
  LIGHT_CHAIN_TIME,
  type LightChain,
  lightChain,
  lightClock,
  lightSet,
} from "../../../test/support/light-chain.ts";
import { Height } from "../../brands.ts";
import { bytesEqual, utf8ToBytes } from "../../bytes.ts";
import { sha256 } from "../../hash.ts";
import { headerHash } from "../../hashes.ts";
import { addMs } from "../../time.ts";
import type { LightBlock } from "../../types.ts";
import { createEd25519Verifier } from "../ed25519.ts";
import {
  createLightClient,
  isLightClientError,
  type LightClient,
  type LightClientEvent,
  type LightClientOptions,
} from "./client.ts";
import type { LightClientErrorInfo } from "./errors.ts";
import { createMemoryTrustedStore, type TrustedStore } from "./store.ts";

/** Each height replaces one of four validators: three steps keep a third, no more. */
const rotating = (height: number): readonly number[] => [0, 1, 2, 3].map((i) => height + i);
const four = (): readonly number[] => [0, 1, 2, 3];
const HOUR_NANOS = 3_600_000_000_000n;

const hashOf = (block: LightBlock): Uint8Array => headerHash(block.signedHeader.header);

interface Setup {
  readonly client: LightClient;
  readonly events: LightClientEvent[];
  readonly store: TrustedStore;
  readonly clock: ReturnType<typeof lightClock>;
}

async function start(
  chain: LightChain,
  primary: ChainProvider,
  witnesses: readonly ChainProvider[],
  options: Partial<LightClientOptions> & { readonly from?: number } = {},
  store: TrustedStore = createMemoryTrustedStore(),
): Promise<Setup> {
  const events: LightClientEvent[] = [];
  const clock = lightClock(addMs(LIGHT_CHAIN_TIME, (chain.height + 1) * 1_000));
  const { from = 1, ...rest } = options;
  const client = await createLightClient(
    {
      chainId: LIGHT_CHAIN_ID,
      trust: { height: Height(from), hash: hashOf(chain.at(from)) },
      trustingPeriodNanos: HOUR_NANOS,
      ...rest,
    },
    {
      primary,
      witnesses,
      store,
      verifier: createEd25519Verifier(),
      clock,
      onEvent: (event) => events.push(event),
    },
  );
  return { client, events, store, clock };
}

async function failureOf(promise: Promise<unknown>): Promise<LightClientErrorInfo> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isLightClientError(error))
    throw new Error(`expected a light client's error, got ${String(error)}`);
  return error.info;
}

describe("verification", () => {
  const chain = lightChain({ heights: 60, validators: rotating });

  test("bisection looks at few blocks and agrees with sequential verification", async () => {
    const primary = chainProvider("primary", chain);
    const { client } = await start(chain, primary, [chainProvider("witness", chain)]);
    const block = await client.update();
    expect(hashOf(block)).toEqual(hashOf(chain.at(60)));
    expect(new Set(primary.asked).size).toBeLessThan(45);

    const other = chainProvider("primary", chain);
    const witness = chainProvider("witness", chain);
    const sequential = await start(chain, other, [witness], { isSequential: true });
    expect(hashOf(await sequential.client.verifyAt(Height(60)))).toEqual(hashOf(block));
    expect(new Set(other.asked).size).toBe(60);
  });

  test("a set that does not change needs one step", async () => {
    const still = lightChain({ heights: 500, validators: four });
    const primary = chainProvider("primary", still);
    const { client } = await start(still, primary, [chainProvider("witness", still)]);
    await client.verifyAt(Height(500));
    expect(primary.asked).toEqual([1, 500]);
    await client.verifyAt(Height(500));
    expect(primary.asked).toEqual([1, 500]);
  });

  test("heights below the trusted one are reached by links, those between by either way", async () => {
    const primary = chainProvider("primary", chain);
    const witness = chainProvider("witness", chain);
    const { client, clock } = await start(chain, primary, [witness], { from: 30 });
    expect(hashOf(await client.verifyAt(Height(20)))).toEqual(hashOf(chain.at(20)));
    expect(hashOf(await client.verifyAt(Height(25)))).toEqual(hashOf(chain.at(25)));
    await client.verifyAt(Height(60));
    // Height 25 is too old by now, height 60 is not.
    clock.move(3_600_000 - 10_000);
    const before = primary.asked.length;
    expect(hashOf(await client.verifyAt(Height(28)))).toEqual(hashOf(chain.at(28)));
    expect(primary.asked.slice(before)).toEqual([28, 29]);
  });

  test("a primary that ends far below what was verified is told of once, until it is ahead again", async () => {
    const store = createMemoryTrustedStore();
    const chainOf = (heights: number) => lightChain({ heights, validators: four });
    const updates = async (heights: number, times: number) => {
      const short = chainOf(heights);
      const [primary, witness] = [chainProvider("primary", short), chainProvider("witness", short)];
      const { client, events } = await start(short, primary, [witness], {}, store);
      const reached: number[] = [];
      for (let i = 0; i < times; i++) {
        reached.push((await client.update()).signedHeader.header.height);
      }
      return { reached, events: events.filter(({ kind }) => kind === "primaryBehind") };
    };
    expect(await updates(60, 1)).toEqual({ reached: [60], events: [] });
    expect((await updates(41, 1)).events).toEqual([]);
    expect(await updates(40, 2)).toEqual({
      reached: [60, 60],
      events: [{ kind: "primaryBehind", primary: "primary", height: 40, trustedHeight: 60 }],
    });
  });

  test("an expired trusted header is refused with advice", async () => {
    const witness = chainProvider("witness", chain);
    const { client, clock } = await start(chain, chainProvider("primary", chain), [witness]);
    clock.move(3_600_000);
    expect(await failureOf(client.update())).toMatchObject({ code: "LIGHT_EXPIRED", height: 1 });
  });

  test("the store keeps as many blocks as it is told and survives its client", async () => {
    const store = createMemoryTrustedStore();
    const providers = [chainProvider("primary", chain), chainProvider("witness", chain)] as const;
    const { client } = await start(chain, providers[0], [providers[1]], { keptBlocks: 3 }, store);
    for (const height of [5, 9, 12]) await client.verifyAt(Height(height));
    // Where trust began stays, so that the same options serve the next start.
    expect(await store.get(Height(5))).toBeUndefined();
    expect((await store.first())?.signedHeader.header.height).toBe(1);
    expect((await store.after(Height(1)))?.signedHeader.header.height).toBe(9);
    const before = providers[0].asked.length;
    await start(chain, providers[0], [providers[1]], { keptBlocks: 3 }, store);
    expect(providers[0].asked.length).toBe(before);
    const again = { trust: undefined, keptBlocks: 3 };
    const second = await start(chain, providers[0], [providers[1]], again, store);
    expect((await second.client.latestTrusted()).signedHeader.header.height).toBe(12);
  });
});

describe("long ways", () => {
  const chain = lightChain({ heights: 10_010, validators: () => [0] });
  const providers = (): readonly [ChainProvider, readonly ChainProvider[]] => [
    chainProvider("primary", chain),
    [chainProvider("witness", chain)],
  ];
  const options = { trustingPeriodNanos: 100n * HOUR_NANOS };

  test("sequential verification is cross-checked and stored every thousand heights", async () => {
    const [primary, [witness]] = providers();
    if (witness === undefined) throw new Error("there is a witness");
    const setup = { ...options, from: 7_900, isSequential: true };
    const { client, store } = await start(chain, primary, [witness], setup);
    await client.update();
    expect(witness.asked).toEqual([7_900, 8_900, 9_900, 10_010]);
    expect(await store.get(Height(8_900))).toEqual(chain.at(8_900));
    expect(await store.get(Height(9_000))).toBeUndefined();
  });

  test("a height too far below is refused", async () => {
    const { client } = await start(chain, ...providers(), { ...options, from: 10_010 });
    expect(await failureOf(client.verifyAt(Height(9)))).toEqual({
      code: "LIGHT_TOO_FAR_BACK",
      height: 9,
    });
    expect(hashOf(await client.verifyAt(Height(10_000)))).toEqual(hashOf(chain.at(10_000)));
  });

  test("callers share a verification of one height; too many different ones are refused", async () => {
    const [primary, witnesses] = providers();
    const { client } = await start(chain, primary, witnesses, options);
    const same = await Promise.all([1, 2, 3].map(() => client.verifyAt(Height(5_000))));
    expect(new Set(same).size).toBe(1);
    expect(primary.asked.filter((height) => height === 5_000)).toHaveLength(1);
    const many = await Promise.allSettled(
      Array.from({ length: 300 }, (_, i) => client.verifyAt(Height(6_000 + i))),
    );
    const refused = many.filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(300 - 256);
    client.close();
    expect((await failureOf(client.update())).code).toBe("LIGHT_CLOSED");
  });
});

describe("trust", () => {
  const chain = lightChain({ heights: 10, validators: four });
  const other = lightChain({ heights: 10, validators: four, change: withAppHash("other") });
  const providers = (): readonly [ChainProvider, ChainProvider[]] => [
    chainProvider("primary", chain),
    [chainProvider("witness", chain)],
  ];

  test("a wrong hash is refused by name", async () => {
    const trust = { height: Height(3), hash: new Uint8Array(32) };
    const [primary, witnesses] = providers();
    const failure = await failureOf(start(chain, primary, witnesses, { trust }));
    expect(failure).toEqual({ code: "LIGHT_TRUST_CONFLICT", height: 3 });
  });

  test("a witness with another first header is refused", async () => {
    const witness = chainProvider("witness", other);
    const failure = await failureOf(start(chain, chainProvider("primary", chain), [witness]));
    expect(failure).toEqual({ code: "LIGHT_TRUST_CONFLICT", height: 1 });
  });

  test("a store of another chain is not continued with a newer hash", async () => {
    const store = createMemoryTrustedStore();
    await store.put(other.at(2));
    const [primary, witnesses] = providers();
    const failure = await failureOf(start(chain, primary, witnesses, { from: 5 }, store));
    expect(failure).toEqual({ code: "LIGHT_TRUST_CONFLICT", height: 2 });
  });

  test("nothing to begin with, no witnesses, and options out of range", async () => {
    const [primary, witnesses] = providers();
    const nothing = await failureOf(start(chain, primary, witnesses, { trust: undefined }));
    expect(nothing.code).toBe("LIGHT_NOT_INITIALIZED");
    expect((await failureOf(start(chain, primary, []))).code).toBe("LIGHT_NO_WITNESSES");
    for (const options of [
      { trustLevel: { numerator: 1n, denominator: 4n } },
      { trustingPeriodNanos: 0n },
      { keptBlocks: 1 },
    ]) {
      expect((await failureOf(start(chain, primary, witnesses, options))).code).toBe(
        "LIGHT_OPTIONS",
      );
    }
  });
});

describe("providers", () => {
  const chain = lightChain({ heights: 20, validators: rotating });

  test("a primary that is down is replaced and kept as a witness", async () => {
    const primary = chainProvider("primary", chain);
    const { client, events } = await start(chain, primary, [
      chainProvider("first", chain),
      chainProvider("second", chain),
    ]);
    primary.isDown = true;
    expect(hashOf(await client.update())).toEqual(hashOf(chain.at(20)));
    expect(client.primary().name).toBe("first");
    expect(client.witnesses().map((witness) => witness.name)).toEqual(["second", "primary"]);
    expect(events).toContainEqual(expect.objectContaining({ kind: "primaryReplaced" }));
  });

  test("a primary that lies is dropped for good", async () => {
    const primary = chainProvider("primary", chain);
    const { client } = await start(chain, primary, [
      chainProvider("first", chain),
      chainProvider("second", chain),
    ]);
    primary.alter = (block) => withWrongSignature(block);
    expect(hashOf(await client.update())).toEqual(hashOf(chain.at(20)));
    expect(client.witnesses().map((witness) => witness.name)).toEqual(["second"]);
  });

  test("a lying primary with a single witness ends with the reason", async () => {
    const primary = chainProvider("primary", chain);
    const { client } = await start(chain, primary, [chainProvider("witness", chain)]);
    primary.alter = (block) => ({ ...block, validatorSet: lightSet([7, 8]) });
    await expect(client.update()).rejects.toThrow(/primary: block 20 is not valid/);
  });

  test("a witness that lies is removed, one that is silent rests, one is enough", async () => {
    const [liar, silent, honest] = ["liar", "silent", "honest"].map((name) =>
      chainProvider(name, chain),
    );
    if (liar === undefined || silent === undefined || honest === undefined) throw new Error();
    const setup = await start(chain, chainProvider("primary", chain), [liar, silent, honest]);
    liar.alter = (block) => ({ ...block, validatorSet: lightSet([7, 8]) });
    silent.isDown = true;
    await setup.client.verifyAt(Height(10));
    expect(setup.client.witnesses().map((witness) => witness.name)).toEqual(["silent", "honest"]);
    const before = silent.asked.length;
    await setup.client.verifyAt(Height(11));
    expect(silent.asked.length).toBe(before);
    silent.isDown = false;
    setup.clock.move(1_000);
    await setup.client.verifyAt(Height(12));
    expect(silent.asked.length).toBe(before + 1);
  });

  test("the last witness is asked while it rests, and told of when a rest is over", async () => {
    const witness = chainProvider("witness", chain);
    const primary = chainProvider("primary", chain);
    const { client, clock, events } = await start(chain, primary, [witness]);
    witness.isDown = true;
    const silences = () => events.filter((event) => event.kind === "witnessSilent");
    for (const [pauseMs, told] of [
      [0, 1],
      [500, 1],
      [500, 2],
      [1_000, 2],
      [1_000, 3],
    ] as const) {
      clock.move(pauseMs);
      const before = witness.asked.length;
      await failureOf(client.update());
      expect(witness.asked.length).toBeGreaterThan(before);
      expect(silences()).toHaveLength(told);
    }
    expect(silences()).toMatchObject([{ restMs: 1_000 }, { restMs: 2_000 }, { restMs: 4_000 }]);
  });

  test("nothing is trusted that no witness confirms", async () => {
    const witness = chainProvider("witness", chain);
    const { client } = await start(chain, chainProvider("primary", chain), [witness]);
    witness.isDown = true;
    expect(await failureOf(client.update())).toEqual({
      code: "LIGHT_NOT_CROSS_CHECKED",
      height: 20,
    });
    witness.isDown = false;
    expect(hashOf(await client.update())).toEqual(hashOf(chain.at(20)));
  });

  test("a witness that is a block behind gets time to catch up", async () => {
    const witness = chainProvider("witness", chain);
    const { client } = await start(chain, chainProvider("primary", chain), [witness]);
    witness.latest = 19;
    const catchesUp = witness.lightBlock.bind(witness);
    let polls = 0;
    witness.lightBlock = (height, signal) => {
      if (height === "latest" && ++polls === 3) witness.latest = 20;
      return catchesUp(height, signal);
    };
    expect(hashOf(await client.update())).toEqual(hashOf(chain.at(20)));
  });

  test("a witness whose chain stands holds one verification up, then rests", async () => {
    const [stuck, honest] = [chainProvider("stuck", chain), chainProvider("honest", chain)];
    const setup = await start(chain, chainProvider("primary", chain), [stuck, honest]);
    stuck.latest = 5;
    const before = setup.clock.now();
    await setup.client.verifyAt(Height(10));
    // Twice the drift and the lag: 30 s.
    expect(setup.clock.now().seconds - before.seconds).toBeGreaterThanOrEqual(30n);
    const [asked, after] = [stuck.asked.length, setup.clock.now()];
    await setup.client.verifyAt(Height(11));
    expect([stuck.asked.length, setup.clock.now()]).toEqual([asked, after]);
  });

  test("a primary that is about to have a block is waited for, one far behind is replaced", async () => {
    const primary = chainProvider("primary", chain);
    const { client } = await start(chain, primary, [
      chainProvider("first", chain),
      chainProvider("second", chain),
    ]);
    primary.latest = 9;
    const asked = primary.lightBlock.bind(primary);
    primary.lightBlock = (height, signal) => {
      if (height === "latest") primary.latest = 10;
      return asked(height, signal);
    };
    expect(hashOf(await client.verifyAt(Height(10)))).toEqual(hashOf(chain.at(10)));
    expect(client.primary().name).toBe("primary");
    expect(hashOf(await client.verifyAt(Height(15)))).toEqual(hashOf(chain.at(15)));
    expect(client.primary().name).toBe("first");
    await expect(client.verifyAt(Height(99))).rejects.toThrow(/not there yet/);
  });

  test("other proposer priorities than a witness has are refused", async () => {
    const primary = chainProvider("primary", chain);
    const { client } = await start(chain, primary, [chainProvider("witness", chain)]);
    primary.alter = ({ signedHeader, validatorSet }) => {
      const validators = validatorSet.validators.map((validator, i) =>
        i === 0 ? { ...validator, proposerPriority: 99n } : validator,
      );
      return { signedHeader, validatorSet: { ...validatorSet, validators } };
    };
    expect((await failureOf(client.update())).code).toBe("LIGHT_PRIORITIES_DIVERGE");
  });
});

describe("attacks", () => {
  const honest = lightChain({ heights: 12, validators: four });

  async function attackBy(fork: LightChain): Promise<{
    readonly info: Extract<LightClientErrorInfo, { readonly code: "LIGHT_ATTACK" }>;
    readonly primary: ChainProvider;
    readonly witness: ChainProvider;
    readonly client: LightClient;
  }> {
    const primary = chainProvider("primary", fork);
    const witness = chainProvider("witness", honest);
    const { client } = await start(honest, primary, [witness]);
    const info = await failureOf(client.update());
    if (info.code !== "LIGHT_ATTACK") throw new Error(`expected an attack, got ${info.code}`);
    return { info, primary, witness, client };
  }

  test("lunatic: the evidence names who of the common set signed, and goes to the other side", async () => {
    const plan = { heights: 12, base: honest, forkHeight: 8, validators: four };
    const fork = lightChain({
      ...plan,
      change: withAppHash("stolen"),
      signers: () => [0, 1, 2],
    });
    const { info, primary, witness, client } = await attackBy(fork);
    const [againstPrimary, againstWitness] = info.evidence;
    expect(againstPrimary).toMatchObject({ kind: "lightClientAttack", commonHeight: 1 });
    expect(againstPrimary?.byzantineValidators).toHaveLength(3);
    expect(againstPrimary?.conflictingBlock).toEqual(fork.at(12));
    expect(againstWitness?.conflictingBlock).toEqual(honest.at(12));
    expect(witness.evidence).toEqual([againstPrimary]);
    expect(primary.evidence).toEqual([againstWitness]);
    // It stops for good.
    expect((await failureOf(client.verifyAt(Height(2)))).code).toBe("LIGHT_ATTACK");
  });

  test("lunatic with a foreign set", async () => {
    const fork = lightChain({
      heights: 12,
      base: honest,
      forkHeight: 8,
      validators: (height) => (height < 9 ? four() : [0, 1, 20, 21, 22]),
      signers: (height) => (height < 9 ? four() : [0, 1, 20, 21, 22]),
    });
    const { info } = await attackBy(fork);
    expect(info.evidence[0]?.byzantineValidators).toHaveLength(2);
  });

  test("equivocation: those that signed both in one round", async () => {
    const plan = { heights: 12, base: honest, forkHeight: 12, validators: four };
    const { info } = await attackBy(
      lightChain({ ...plan, change: withDataHash, signers: () => [1, 2, 3] }),
    );
    expect(info.evidence[0]?.commonHeight).toBe(12);
    expect(info.evidence[0]?.byzantineValidators).toHaveLength(3);
  });

  test("amnesia: another round, so that nobody can be named", async () => {
    const plan = { heights: 12, base: honest, forkHeight: 12, validators: four };
    const { info } = await attackBy(lightChain({ ...plan, change: withDataHash, round: 1 }));
    expect(info.evidence[0]?.commonHeight).toBe(12);
    expect(info.evidence[0]?.byzantineValidators).toEqual([]);
  });

  test("forward lunatic: a height that the chain has not reached, at an earlier time", async () => {
    const fork = lightChain({
      heights: 14,
      base: honest,
      forkHeight: 12,
      validators: four,
      change: (header) => ({
        ...header,
        appHash: sha256(utf8ToBytes("future")),
        time: addMs(LIGHT_CHAIN_TIME, 11_100 + header.height * 10),
      }),
    });
    const { info } = await attackBy(fork);
    expect(info.height).toBe(14);
    expect(info.evidence[0]?.conflictingBlock).toEqual(fork.at(14));
  });

  test("a fork that begins within the trace is found where it begins", async () => {
    const rotatingHonest = lightChain({ heights: 30, validators: rotating });
    const fork = lightChain({
      heights: 30,
      base: rotatingHonest,
      forkHeight: 20,
      validators: rotating,
      change: withAppHash("stolen"),
    });
    const primary = chainProvider("primary", fork);
    const witness = chainProvider("witness", rotatingHonest);
    const { client } = await start(rotatingHonest, primary, [witness]);
    const info = await failureOf(client.update());
    if (info.code !== "LIGHT_ATTACK") throw new Error(info.code);
    const [evidence] = info.evidence;
    expect(evidence?.commonHeight).toBeLessThan(20);
    expect(evidence?.commonHeight).toBeGreaterThan(10);
    expect(evidence?.byzantineValidators.length).toBeGreaterThan(0);
  });

  test("a witness whose fork does not verify is removed", async () => {
    const forged = lightChain({
      heights: 12,
      base: honest,
      forkHeight: 8,
      validators: (height) => (height < 8 ? four() : [30, 31, 32]),
    });
    const { client, events } = await start(honest, chainProvider("primary", honest), [
      chainProvider("liar", forged),
      chainProvider("honest", honest),
    ]);
    expect(bytesEqual(hashOf(await client.update()), hashOf(honest.at(12)))).toBe(true);
    expect(events).toContainEqual(
      expect.objectContaining({ kind: "witnessRemoved", witness: "liar" }),
    );
  });
});

function withAppHash(
  text: string,
): (header: LightBlock["signedHeader"]["header"]) => typeof header {
  return (header) => ({ ...header, appHash: sha256(utf8ToBytes(text)) });
}

function withDataHash(
  header: LightBlock["signedHeader"]["header"],
): LightBlock["signedHeader"]["header"] {
  return { ...header, dataHash: sha256(utf8ToBytes("other data")) };
}

function withWrongSignature(block: LightBlock): LightBlock {
  const { commit, header } = block.signedHeader;
  const signatures = commit.signatures.map((sig) => ({
    ...sig,
    signature: new Uint8Array(sig.signature.length).fill(1),
  }));
  return { ...block, signedHeader: { header, commit: { ...commit, signatures } } };
}
