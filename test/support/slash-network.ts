/**
 * A network whose last validator will lose stake for signing twice, on either engine: what genesis gives to
 * whom, in nweft, and who acts. `slash-story.ts` works out by hand what becomes of it.
 */
import { formatAddress } from "../../proto/address.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import { type Ed25519KeyPair, ed25519KeyPairFromSeed } from "../../proto/verify/ed25519.ts";
import type { SequencerClient } from "../../rollup-adapter/client/sequencer-client.ts";
import type { GenesisAppState } from "../../sequencer/app/genesis.ts";
import { loadGenesis, saveGenesis } from "../../sequencer/engine/genesis.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { keysOf, type LiveKeys, type RpcNode } from "./live-stake.ts";

/** Blocks of an epoch: changes of power wait for its end. */
export const EPOCH_BLOCKS = 60;

export const SLASH_PARAMS = {
  epoch_length: EPOCH_BLOCKS,
  // Above the age of evidence, two days.
  unbonding_seconds: 200_000,
  double_sign_slash_bps: 500,
  fee_proposer_bps: 500,
  fee_community_bps: 200,
} as const;

/** By place in the network; the first takes what is moved away from the last. */
export const POWERS = [40n, 50n, 45n, 35n, 30n] as const;
/** What stands behind the last one at genesis: 30,000,007. */
export const GENESIS_STAKE = { operator: 20_000_000n, alice: 7_000_003n, bob: 3_000_004n };
/** Of the last one, basis points. */
export const COMMISSION_BPS = 1_000;
const BALANCE = 1_000_000_000_000n;

/** A validator's node. */
export interface StoryNode extends RpcNode {
  readonly home: string;
}

export interface Account {
  readonly key: Ed25519KeyPair;
  /** 40 lower-case hex characters. */
  readonly address: string;
}

export interface Cast {
  readonly chainId: string;
  /** All validators: whom to ask, in turn; all must say the same. */
  readonly nodes: readonly StoryNode[];
  /** Take transactions. */
  readonly clients: readonly SequencerClient[];
  /** Delegators of the offender; Carol becomes one later. */
  readonly alice: Account;
  readonly bob: Account;
  readonly carol: Account;
  /** Pays fees that are shared. */
  readonly owner: Account;
  readonly offender: StoryNode & { readonly keys: LiveKeys };
  /** Where stake is moved to. */
  readonly destination: StoryNode & { readonly keys: LiveKeys };
}

/** Writes the stakes into the genesis of nodes that have not started. */
export async function castSlash(network: {
  readonly chainId: string;
  readonly nodes: readonly StoryNode[];
  readonly clients: readonly SequencerClient[];
  readonly owner: Ed25519KeyPair;
}): Promise<Cast> {
  const { nodes } = network;
  const [first, last] = [nodes[0], nodes.at(-1)];
  if (first === undefined || last === undefined || nodes.length !== POWERS.length) {
    throw new Error(`expected ${POWERS.length} validators, got ${nodes.length}`);
  }
  const cast: Cast = {
    chainId: network.chainId,
    nodes,
    clients: network.clients,
    alice: account(1),
    bob: account(2),
    carol: account(3),
    owner: {
      key: network.owner,
      address: toHex(accountAddress(network.owner.publicKey)),
    },
    offender: { ...last, keys: keysOf(last) },
    destination: { ...first, keys: keysOf(first) },
  };
  const genesis = await loadGenesis(homeAt(first.home).genesisFile);
  const appState = JSON.stringify(
    withStakes(JSON.parse(genesis.appState) as GenesisAppState, cast),
  );
  const validators = genesis.validators.map((one, i) => ({ ...one, power: POWERS[i] ?? 0n }));
  for (const { home } of nodes) {
    await saveGenesis(homeAt(home).genesisFile, { ...genesis, validators, appState });
  }
  return cast;
}

function withStakes(
  state: GenesisAppState,
  { alice, bob, carol, offender, destination }: Cast,
): GenesisAppState {
  const validator = offender.keys.consensusAddress;
  const known = state.accounts ?? [];
  const rich = [alice.address, bob.address, carol.address].map(bech32);
  rich.push(bech32(offender.keys.operator), bech32(destination.keys.operator));
  const stakes = [
    [offender.keys.operator, GENESIS_STAKE.operator],
    [alice.address, GENESIS_STAKE.alice],
    [bob.address, GENESIS_STAKE.bob],
  ] as const;
  return {
    ...state,
    accounts: [
      ...known,
      ...rich
        .filter((address) => known.every((one) => one.address !== address))
        .map((address) => ({ address, balance: String(BALANCE) })),
    ],
    validators: state.validators.map((one) =>
      one.address === validator
        ? {
            ...one,
            commission: { rate_bps: COMMISSION_BPS, max_rate_bps: 2_000, max_change_bps: 100 },
          }
        : one,
    ),
    delegations: stakes.map(([delegator, amount]) => ({
      delegator: bech32(delegator),
      validator,
      amount: String(amount),
    })),
  };
}

function account(seed: number): Account {
  const key = ed25519KeyPairFromSeed(new Uint8Array(32).fill(seed));
  return { key, address: toHex(accountAddress(key.publicKey)) };
}

function bech32(address: string): string {
  return formatAddress(fromHex(address));
}
