import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { assert, assertNever } from "../../proto/errors.ts";
import {
  eventsOf,
  expectSupply,
  type SealedChain,
  type SealedText,
  sealText,
  startSealedChain,
  withNoise,
} from "../support/sealed-app.ts";
import {
  type DecidedBlock,
  dataFor,
  idOf,
  nonce,
  ROLLUPS,
  signedItem,
  unordered,
  wallet,
} from "../support/weft-app.ts";

const WALLETS = 4;
/** No item waits longer: 16 blocks, and after a dispute 16 again. */
const SETTLED_AFTER = 2 + 16 + 1 + 16;

interface Draft {
  readonly sender: number;
  readonly kind: "sealed" | "noise" | "notContent" | "otherKey" | "brief" | "data" | "reveal";
  readonly tip: bigint;
  readonly isOrdered: boolean;
  readonly rollups: number;
  readonly bytes: number;
  /** Which of those that wait a reveal is for, and whether its seed is right. */
  readonly target: number;
  readonly isSeed: boolean;
}

const draft: fc.Arbitrary<Draft> = fc.record({
  sender: fc.nat(WALLETS - 1),
  kind: fc.constantFrom(
    "sealed",
    "sealed",
    "sealed",
    "noise",
    "notContent",
    "otherKey",
    "brief",
    "data",
    "reveal",
    "reveal",
  ),
  tip: fc.bigInt(0n, 50n),
  isOrdered: fc.boolean(),
  rollups: fc.integer({ min: 1, max: 2 }),
  bytes: fc.integer({ min: 1, max: 900 }),
  target: fc.nat(20),
  isSeed: fc.boolean(),
});

const block = fc.record({
  drafts: fc.array(draft, { maxLength: 6 }),
  proposer: fc.nat(2),
  /** Whose answers for the height after the next one are ABSTAIN. */
  silent: fc.subarray([0, 1, 2]),
  /** A proposer that cannot open anything. */
  isBroken: fc.boolean(),
});

interface Waiting {
  readonly text: SealedText;
  readonly height: number;
}

class Run {
  readonly #sealed: SealedChain;
  readonly #made = new Map<string, SealedText>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #disputed = new Set<string>();
  readonly #settled = new Set<string>();
  #salt = 0;

  constructor(sealed: SealedChain) {
    this.#sealed = sealed;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  get hasDisputes(): boolean {
    return this.#disputed.size > 0;
  }

  async submit(each: Draft): Promise<void> {
    const { chain } = this.#sealed;
    const item = this.#itemOf(each);
    for (let n = 0; n < chain.nodes.length; n++) await chain.submit(item, n);
  }

  #itemOf(each: Draft): Uint8Array {
    const { chain, keys } = this.#sealed;
    const { kind, tip, bytes } = each;
    const sender = wallet(each.sender);
    const salt = `${this.#salt++}`;
    const next = chain.app.read.pendingAccount(sender.address).nonce;
    const replay = each.isOrdered ? nonce(next) : unordered(chain.height + 9, salt);
    const terms = { tipPerByte: tip, rollups: ROLLUPS.slice(0, each.rollups) };
    const key = keys[kind === "otherKey" ? 1 : 0] ?? keys[0];
    const text = `${salt}${"x".repeat(bytes)}`;
    switch (kind) {
      case "sealed":
      case "otherKey":
        return this.#keep(sealText(sender, replay, key, text, terms));
      case "brief":
        return this.#keep(
          sealText(sender, replay, key, text, { ...terms, maxHeight: chain.height + 1 }),
        );
      case "noise":
        return this.#keep(sealText(sender, replay, key, text, { ...terms, damage: withNoise }));
      case "notContent":
        return this.#keep(
          sealText(sender, replay, key, text, { ...terms, plaintext: new Uint8Array(256).fill(1) }),
        );
      case "data":
        return signedItem(sender, replay, dataFor("alpha", text), { tipPerByte: tip });
      case "reveal": {
        const all = [...this.#waiting.values()];
        const target = all[each.target % Math.max(all.length, 1)];
        const seed = each.isSeed ? target?.text.seed : undefined;
        return signedItem(
          sender,
          replay,
          {
            kind: "selfReveal",
            height: Height(target?.height ?? 1),
            id: target === undefined ? new Uint8Array(32) : idOf(target.text.item),
            seed: seed ?? new Uint8Array(32),
          },
          { tipPerByte: tip },
        );
      }
      default:
        return assertNever(kind, "kind of draft");
    }
  }

  #keep(text: SealedText): Uint8Array {
    this.#made.set(toHex(idOf(text.item)), text);
    return text.item;
  }

  /** What is ordered once is settled once, and in time. */
  follow(decided: DecidedBlock): void {
    for (const { type, id = "" } of eventsOf(decided)) {
      if (type === "seal_ordered") {
        const text = this.#made.get(id);
        assert(text !== undefined, "only what somebody made is ordered");
        assert(!this.#waiting.has(id) && !this.#settled.has(id), "it is ordered once");
        this.#waiting.set(id, { text, height: decided.height });
      } else if (type === "seal_disputed") {
        this.#disputed.add(id);
      } else if (["seal_opened", "seal_invalid", "seal_expired"].includes(type)) {
        assert(this.#waiting.delete(id), `${type} is of something that waits`);
        this.#disputed.delete(id);
        this.#settled.add(id);
      }
    }
    for (const { height } of this.#waiting.values()) {
      assert(decided.height - height < SETTLED_AFTER, `an item of block ${height} still waits`);
    }
    const { sealed } = this.#sealed.chain.app.read.supply();
    assert(sealed > 0n === this.#waiting.size > 0, "the escrow holds what waits, and nothing else");
  }
}

describe("blocks with sealed items", () => {
  test("property: every prepared block is accepted by every node, each item is settled once and in time, and no nweft is lost", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(block, { minLength: 3, maxLength: 8 }),
        fc.integer({ min: 4_000, max: 30_000 }),
        async (blocks, maxTxBytes) => {
          const sealed = await startSealedChain({
            validators: 3,
            tickets: [2, 1, 1],
            threshold: 3,
            moreKeys: 1,
            wallets: WALLETS,
            maxTxBytes,
            blockBytesMax: 65_536,
            params: { seal_bond: "1000", rollup_quota_bps: 4_000, control_per_signer_max: 2 },
          });
          const { chain } = sealed;
          const run = new Run(sealed);
          const secrets = chain.nodes.map(({ watch }) => watch.ticketSecretOf);
          const speak = (n: number, isSilent: boolean) => {
            const secretOf = secrets[n];
            const { watch } = chain.node(n);
            if (isSilent) watch.ticketSecretOf = () => undefined;
            else if (secretOf !== undefined) watch.ticketSecretOf = secretOf;
          };
          for (const [at, { drafts, proposer, silent, isBroken }] of blocks.entries()) {
            for (const each of drafts) await run.submit(each);
            for (const n of [0, 1, 2]) speak(n, silent.includes(n));
            // Where single shares have settled what an item opens to, a node that fails is alone with its block.
            chain.node(proposer).watch.failsToOpen = isBroken && !run.hasDisputes;
            // What is open already stays so: the next proposer has to fail with it.
            chain.opensAhead = blocks[at + 1]?.isBroken !== true;
            const decided = await chain.step(proposer);
            chain.node(proposer).watch.failsToOpen = false;
            const size = decided.txs.reduce((sum, tx) => sum + tx.length + 5, 0);
            expect(size).toBeLessThanOrEqual(maxTxBytes);
            run.follow(decided);
            await expectSupply(chain);
          }
          // Not by falling back to the minimal block, which would hide a bad builder.
          for (const { watch } of chain.nodes) expect(watch.fallbacks).toBe(0);
          for (const n of [0, 1, 2]) speak(n, false);
          chain.opensAhead = true;
          for (let more = 0; run.waitingCount > 0; more++) {
            expect(more).toBeLessThan(SETTLED_AFTER);
            run.follow(await chain.step(0));
          }
          await expectSupply(chain);
          const replayed = await chain.replay();
          expect(replayed.read.appHash()).toEqual(chain.app.read.appHash());
        },
      ),
      { numRuns: 8 },
    );
  }, 120_000);

  test("property: whatever bytes a proposer sends as openings, nothing throws, and only what is right stands", async () => {
    const { chain, keys } = await startSealedChain();
    const [key] = keys;
    const submit = async (text: SealedText) => expect(await chain.submit(text.item)).toBe(0);
    await submit(sealText(wallet(0), nonce(0), key, "noise", { damage: withNoise }));
    await chain.step(0);
    await chain.step(0);
    for (const n of [1, 2]) await submit(sealText(wallet(n), nonce(0), key, `text ${n}`));
    await chain.step(0);
    await chain.step(0);
    // A batch of two to open, and a dispute to settle.
    const good = await chain.prepare(0);
    const openings = good[2] ?? new Uint8Array();
    const length = openings.length;
    const damage = fc.record({
      at: fc.nat(length - 1),
      byte: fc.nat(255),
      action: fc.constantFrom("set", "set", "cut", "zero", "copy"),
      from: fc.nat(length - 1),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 3 }), async (damages) => {
        let item = openings.slice();
        for (const { at, byte, action, from } of damages) {
          if (action === "set") item[at] = byte;
          else if (action === "zero") item.fill(0, at, at + 32);
          else if (action === "copy") item.copyWithin(at, from, from + 32);
          else item = item.slice(0, at);
        }
        const txs = good.map((tx, index) => (index === 2 ? item : tx));
        const isSame = Buffer.compare(item, openings) === 0;
        const reason = await chain.refusal(txs, 1);
        expect(reason === undefined, reason ?? "accepted").toBe(isSame);
      }),
      { numRuns: 150 },
    );
    await chain.decide(good);
  }, 60_000);
});
