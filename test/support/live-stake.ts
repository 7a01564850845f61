/** Stake on a live chain: what the state of a node holds, and transactions that change it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Height } from "../../proto/brands.ts";
import { fromBase64, fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import type { ValidatorState } from "../../proto/codec/staking-state.ts";
import { applicationKeySignBytes } from "../../proto/codec/staking-tx.ts";
import { decodeSupply, type SupplyState } from "../../proto/codec/weft-state.ts";
import { accountAddress, type Action } from "../../proto/codec/weft-tx.ts";
import { ed25519Address, type Ed25519KeyPair, signEd25519 } from "../../proto/verify/ed25519.ts";
import type { LightClient } from "../../proto/verify/light/client.ts";
import type { SequencerClient } from "../../rollup-adapter/client/sequencer-client.ts";
import { openLightClient } from "../../rollup-adapter/light/open-light-client.ts";
import { SUPPLY_KEY } from "../../sequencer/app/state/keys.ts";
import type { RecordType } from "../../sequencer/app/state/records.ts";
import { VALIDATORS } from "../../sequencer/app/state/tables.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { rpc, until } from "./local-network.ts";
import { type CommittedTx, sendOne } from "./traffic.ts";

/** A node that answers JSON-RPC. */
export interface RpcNode {
  readonly name: string;
  readonly rpc: string;
}

/** Keys of a validator as its home holds them; addresses are 40 lower-case hex characters. */
export interface LiveKeys {
  readonly consensus: Ed25519KeyPair;
  readonly consensusAddress: string;
  readonly application: Ed25519KeyPair;
  /** Of the account of the application key, which is the operator unless genesis says otherwise. */
  readonly operator: string;
}

export function keysOf({ home }: { readonly home: string }): LiveKeys {
  const { validatorKeyFile, applicationKeyFile } = homeAt(home);
  const consensus = readKeyFile(validatorKeyFile);
  const application = readKeyFile(applicationKeyFile);
  return {
    consensus,
    consensusAddress: toHex(ed25519Address(consensus.publicKey)),
    application,
    operator: toHex(accountAddress(application.publicKey)),
  };
}

/** A record of the state that the node last committed. */
export async function recordOf<Value>(
  node: RpcNode,
  type: RecordType<Value>,
  key: string,
): Promise<Value | undefined> {
  const value = await valueOf(node, type.prefix + key);
  return value === undefined ? undefined : type.decode(value);
}

/** @throws when there is none */
export async function requireRecord<Value>(
  node: RpcNode,
  type: RecordType<Value>,
  key: string,
): Promise<Value> {
  const record = await recordOf(node, type, key);
  if (record === undefined) throw new Error(`${node.name} has no ${type.prefix}${key}`);
  return record;
}

export async function supplyOf(node: RpcNode): Promise<SupplyState> {
  const value = await valueOf(node, SUPPLY_KEY);
  if (value === undefined) throw new Error(`${node.name} has no supply`);
  return decodeSupply(value);
}

export function validatorOf(node: RpcNode, consensusAddress: string): Promise<ValidatorState> {
  return requireRecord(node, VALIDATORS, consensusAddress);
}

async function valueOf(node: RpcNode, key: string): Promise<Uint8Array | undefined> {
  const data = toHex(utf8ToBytes(key));
  const { response } = await rpc<{ response: { code?: number; value?: string | null } }>(
    node,
    "abci_query",
    { path: "/store", data },
  );
  const { value } = response;
  return value === undefined || value === null || value === "" ? undefined : fromBase64(value);
}

/** Powers by address of the set that votes on a height. */
export async function votersAt(
  node: RpcNode,
  height: number,
): Promise<ReadonlyMap<string, bigint>> {
  const voters = new Map<string, bigint>();
  for (let page = 1; ; page++) {
    const { validators, total } = await rpc<{
      validators: readonly { address: string; voting_power: string }[];
      total: string;
    }>(node, "validators", { height: String(height), page: String(page), per_page: "100" });
    for (const { address, voting_power: power } of validators) {
      voters.set(address.toLowerCase(), BigInt(power));
    }
    if (voters.size >= Number(total)) return voters;
  }
}

/** Addresses whose signature stands in the commit of a height. */
export async function signersOf(node: RpcNode, height: number): Promise<ReadonlySet<string>> {
  const { signed_header: signed } = await rpc<{
    signed_header: { commit: { signatures: readonly { validator_address: string }[] } };
  }>(node, "commit", { height: String(height) });
  return new Set(
    signed.commit.signatures.map(({ validator_address: address }) => address.toLowerCase()),
  );
}

export interface LiveEvent {
  readonly type: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Events of a block: those of its begin and end, then those of its transactions. */
export async function eventsAt(node: RpcNode, height: number): Promise<readonly LiveEvent[]> {
  interface Told {
    readonly type: string;
    readonly attributes: readonly { readonly key: string; readonly value: string }[];
  }
  // Go says null for none.
  interface Results {
    readonly finalize_block_events: readonly Told[] | null;
    readonly txs_results: readonly { readonly events: readonly Told[] | null }[] | null;
  }
  // CometBFT tells the height of a block that it has stored and not executed yet.
  const results = await until(`results of ${height}`, () =>
    rpc<Results>(node, "block_results", { height: String(height) }),
  );
  const told = [
    ...(results.finalize_block_events ?? []),
    ...(results.txs_results ?? []).flatMap(({ events }) => events ?? []),
  ];
  return told.map(({ type, attributes }) => ({
    type,
    attributes: Object.fromEntries(attributes.map(({ key, value }) => [key, value])),
  }));
}

/** Who acts, and by which nodes. */
export interface Actor {
  readonly clients: readonly SequencerClient[];
  readonly key: Ed25519KeyPair;
}

/** Resolves with the block in which the action succeeded. */
export function act(actor: Actor, action: Action): Promise<CommittedTx> {
  return sendOne(actor, 0, action);
}

/** Sends nweft to accounts, so that they can pay fees and delegate. */
export async function fund(
  owner: Actor,
  accounts: readonly string[],
  amount: bigint,
): Promise<void> {
  for (const account of accounts) {
    await act(owner, { kind: "transfer", to: fromHex(account), amount });
  }
}

/** The transaction with which the holder of the keys becomes a validator. */
export function creation(
  chainId: string,
  { consensus, consensusAddress, application }: LiveKeys,
  { selfDelegation, rateBps = 1_000 }: { selfDelegation: bigint; rateBps?: number },
): Action {
  const message = applicationKeySignBytes(
    chainId,
    fromHex(consensusAddress),
    application.publicKey,
  );
  return {
    kind: "createValidator",
    consensusKey: consensus.publicKey,
    applicationKey: application.publicKey,
    applicationKeyProof: signEd25519(application, message),
    moniker: "late",
    website: "",
    details: "",
    rateBps,
    maxRateBps: 2_000,
    maxChangeBps: 100,
    minSelfDelegation: 1_000_000n,
    selfDelegation,
  };
}

export interface FollowingLight {
  readonly light: LightClient;
  close(): Promise<void>;
}

/** A light client that trusts one block of the first node and hears the others as witnesses. */
export async function followLight(
  chainId: string,
  nodes: readonly RpcNode[],
  trusted: number,
): Promise<FollowingLight> {
  const [primary, ...witnesses] = nodes;
  if (primary === undefined) throw new Error("a light client asks somebody");
  const { block_id: id } = await rpc<{ block_id: { hash: string } }>(primary, "block", {
    height: String(trusted),
  });
  const folder = mkdtempSync(join(tmpdir(), "weft-light-"));
  const opened = await openLightClient(
    {
      chainId,
      primary: primary.rpc,
      witnesses: witnesses.map((node) => node.rpc),
      folder: join(folder, "headers"),
      trust: { height: Height(trusted), hash: fromHex(id.hash) },
      trustingPeriodNanos: TRUSTING_PERIOD_NANOS,
    },
    { clock: createSystemClock(), logger: NULL_LOGGER },
  );
  return {
    light: opened.light,
    async close() {
      await opened.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const TRUSTING_PERIOD_NANOS = 3_600_000_000_000n;
