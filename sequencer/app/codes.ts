/** Codespace of every code below, in CheckTx, transaction results and queries. */
export const CODESPACE = "weft";

/**
 * The one table of result codes. Numbers are frozen: clients match on them, and the code of a
 * transaction result enters the block's results hash.
 *
 * 1-19: the item itself. 20-39: what the account may do now. 40-59: the pool of this node, nothing
 * about the transaction. 60-79: the action failed in a block: the fee is paid, the rest did not happen.
 * 80-99: queries. From 100 on, again actions that failed: 100-139 staking, 140-159 slashing and evidence,
 * 160-179 rewards, 180-219 governance, 220-259 sealed transactions, 260-274 bundles, 275-289 auctions,
 * 290-294 escrow, 295-299 policies of rollups, 300-319 atomic execution. A block may not hold a bundle, a bid, a
 * cancellation, a vote or a report that fails.
 */
export const CODES = {
  OK: { number: 0, message: "ok" },

  /** The bytes are not one canonical item. */
  TX_MALFORMED: { number: 1, message: "the bytes are not a canonical transaction item" },
  /** An item that only a proposer makes (manifest, injected commit). */
  TX_KIND: { number: 2, message: "only signed transactions may be submitted" },
  /** Larger than the parameter tx_bytes_max. */
  TX_TOO_LARGE: { number: 3, message: "the transaction is too large" },
  /** The signature is not by the public key over this chain's sign bytes (ZIP-215). */
  TX_SIGNATURE: { number: 4, message: "the signature does not verify for this chain" },
  /** A proof that its action brings does not hold. */
  TX_PROOF: { number: 5, message: "a proof of the transaction does not hold" },

  /** The nonce is below the account's: another transaction used it. */
  NONCE_USED: { number: 20, message: "the nonce has been used" },
  /** The nonce is above the account's, in a block; or too far above, in the pool. */
  NONCE_GAP: { number: 21, message: "the nonce is ahead of the account's" },
  /** The expiry height is not above the height of the block. */
  UNORDERED_EXPIRED: { number: 22, message: "the expiry height has passed" },
  /** The expiry height is more than the window ahead. */
  UNORDERED_TOO_FAR: { number: 23, message: "the expiry height is too far ahead" },
  /** The id is remembered: it was in a block. */
  UNORDERED_SEEN: { number: 24, message: "the transaction has been in a block" },
  /** The block holds as many unordered transactions as it may. */
  UNORDERED_FULL: { number: 25, message: "the block is full of unordered transactions" },
  /** The maximum fee is below the base fee. */
  FEE_TOO_LOW: { number: 26, message: "the maximum fee per byte is below the base fee" },
  /** The balance does not cover the fee; in the pool: fee and value of all that the account has pending. */
  INSUFFICIENT_FUNDS: { number: 27, message: "the balance does not cover the cost" },

  /** As many sealed items wait to be opened as validators can show shares of in time. */
  SEAL_FULL: { number: 28, message: "the block has no room for more sealed transactions" },

  /** The pool or a recent block holds the id already. Nothing was done. */
  TX_KNOWN: { number: 40, message: "the transaction is known already" },
  /** The pool is full of better-paying transactions. */
  POOL_FULL: { number: 41, message: "the pool is full of better-paying transactions" },
  /** The account has as many transactions pending as it may. */
  POOL_ACCOUNT_FULL: { number: 42, message: "the account has too many pending transactions" },
  /** Same nonce as a pending transaction, without paying 10% more. */
  POOL_UNDERPRICED: { number: 43, message: "a replacement has to pay at least 10% more" },
  /** More checks are under way than the node takes on; try again. */
  POOL_BUSY: { number: 44, message: "the node is busy; submit again" },
  /** Pushed out of the pool by better-paying transactions. */
  POOL_EVICTED: { number: 45, message: "evicted by better-paying transactions" },
  /** Replaced by a transaction of the same account and nonce that pays more. */
  POOL_REPLACED: { number: 46, message: "replaced by a better-paying transaction" },
  /** Not in the pool: a recheck of something that has left it for a forgotten reason. */
  POOL_ABSENT: { number: 47, message: "the transaction is not in the pool" },
  /** Stood in the pool for too many blocks. */
  POOL_TIMED_OUT: { number: 48, message: "the transaction waited in the pool for too long" },

  /** Transfer: what is left after the fee is below the amount. */
  TRANSFER_FUNDS: { number: 60, message: "the balance after the fee is below the amount" },
  /** The rollup is not registered. */
  ROLLUP_UNKNOWN: { number: 61, message: "the rollup is not registered" },
  /** The rollup takes sealed transactions only. */
  ROLLUP_SEALED_ONLY: { number: 62, message: "the rollup takes sealed transactions only" },
  /** The name is taken. */
  ROLLUP_EXISTS: { number: 63, message: "a rollup of that name exists" },
  /** What is left after the fee is below the deposit. */
  ROLLUP_DEPOSIT: { number: 64, message: "the balance after the fee is below the deposit" },
  /** The transaction is not signed by the rollup's owner key. */
  ROLLUP_NOT_OWNER: { number: 65, message: "only the owner key may update the rollup" },

  /** No such query path, or its arguments are malformed. */
  QUERY_PATH: { number: 80, message: "unknown query path" },
  /** A height other than the last committed one. */
  QUERY_HEIGHT: { number: 81, message: "only the last committed height can be queried" },
  /** There is nothing under that name. */
  QUERY_NOT_FOUND: { number: 82, message: "not found" },

  /** No validator has that consensus address. */
  VALIDATOR_UNKNOWN: { number: 100, message: "there is no such validator" },
  /** The transaction is not signed by the account that runs the validator. */
  VALIDATOR_NOT_OPERATOR: { number: 101, message: "only the validator's operator may do this" },
  /** The consensus key is a validator's already, a tombstoned one's included. */
  VALIDATOR_EXISTS: { number: 102, message: "a validator with that consensus key exists" },
  /** The application key is, or was last, another validator's or this one's. */
  VALIDATOR_KEY_USED: { number: 103, message: "another validator has that application key" },
  /** The validator is tombstoned. */
  VALIDATOR_TOMBSTONED: { number: 104, message: "the validator is out for good" },
  /** The validator is jailed. */
  VALIDATOR_JAILED: { number: 105, message: "the validator is jailed" },
  /** Retired already, or not retired. */
  VALIDATOR_UNCHANGED: { number: 106, message: "the validator is like that already" },
  /** As many candidates as the parameter candidates_max, and none that has to give way. */
  VALIDATORS_FULL: { number: 107, message: "there are as many validators as there may be" },
  /** A rate that breaks: minimum <= rate <= its maximum <= 100%, change <= largest change <= maximum. */
  COMMISSION_RATE: { number: 108, message: "the commission is not within its limits" },
  /** The rate was changed, or the validator created, less than 24 hours ago. */
  COMMISSION_TOO_SOON: { number: 109, message: "the commission changes once a day at most" },
  /** The operator's own delegation is below the minimum. */
  SELF_DELEGATION_LOW: { number: 110, message: "the operator's own stake is too low" },
  /** A minimum below the parameter's or the one before. */
  SELF_DELEGATION_MIN: {
    number: 111,
    message: "the minimum of the operator's own stake cannot be that",
  },
  /** Moniker, website or details have too many bytes. */
  VALIDATOR_DESCRIPTION: { number: 112, message: "a text about the validator is too long" },
  /** Less than 1 nweft, or less than the smallest share. */
  STAKE_AMOUNT: { number: 113, message: "the amount is too small" },
  /** What is left after the fee is below the amount. */
  STAKE_FUNDS: { number: 114, message: "the balance after the fee is below the stake" },
  /** The validator has shares without tokens (InvalidExRate). */
  STAKE_WORTHLESS: {
    number: 115,
    message: "all of the validator's stake was slashed, its shares have no price",
  },
  /** The account has no stake on that validator. */
  DELEGATION_UNKNOWN: { number: 116, message: "there is no such delegation" },
  /** More is taken out than the delegation is worth. */
  DELEGATION_TOO_SMALL: { number: 117, message: "the delegation is worth less than the amount" },
  /** As many entries of that account at that validator as the parameter unbonding_entries_max. */
  UNBONDING_FULL: { number: 118, message: "too many entries wait already" },
  /** The entry is not there, or its time has come. */
  UNBONDING_UNKNOWN: { number: 119, message: "no such entry waits" },
  /** More is cancelled than the entry holds. */
  UNBONDING_TOO_SMALL: { number: 120, message: "the entry holds less than the amount" },
  /** Stake is moved to where it is. */
  REDELEGATION_SAME: { number: 121, message: "source and destination are the same validator" },
  /** Some of the account's stake on the source came from another validator and answers for it still. */
  REDELEGATION_TRANSITIVE: {
    number: 122,
    message: "stake that has just moved there has to stay until it is free",
  },
  /** The application key was changed less than max(10, 2f + 4) blocks ago. */
  VALIDATOR_KEY_TOO_SOON: {
    number: 123,
    message: "the application key has changed a short while ago",
  },

  /** The validator is not jailed. */
  UNJAIL_NOT_JAILED: { number: 140, message: "the validator is not jailed" },
  /** The jail has not ended, by block time. */
  UNJAIL_TOO_EARLY: { number: 141, message: "the jail has not ended" },
  /** The height of the fault is ahead of the block. */
  EVIDENCE_HEIGHT: { number: 145, message: "the fault lies in the future" },
  /** Both limits of age are exceeded. */
  EVIDENCE_TOO_OLD: { number: 146, message: "the fault is too long ago" },
  /** The fault was punished. */
  EVIDENCE_KNOWN: { number: 147, message: "the fault has been punished" },
  /** The stake of the validator has been set free. */
  EVIDENCE_UNBONDED: { number: 148, message: "the validator's stake is free" },
  /** The validator had no power at the height. */
  EVIDENCE_NOT_IN_SET: { number: 149, message: "the validator was not in the set" },
  /** What was signed does not contradict itself. */
  EVIDENCE_NO_CONFLICT: { number: 150, message: "this proves no fault" },
  /** The evidence says that something else was asked for than the state does, or the state has forgotten. */
  EVIDENCE_ASK: { number: 151, message: "that is not what was asked at that height" },
  /** The ticket is not the validator's, or has another public share. */
  EVIDENCE_TICKET: { number: 152, message: "the shares are not of a ticket of the validator" },
  /** Validators with two thirds of the power or less could have made the proof together. */
  EVIDENCE_FORGEABLE: { number: 154, message: "others than the accused may have made this" },
  /** Not the application key that the validator had at the height. */
  EVIDENCE_KEY: { number: 153, message: "the part is not signed with the validator's key" },

  /** Less than 1 nweft for the community pool. */
  COMMUNITY_AMOUNT: { number: 160, message: "nothing is given to the community pool" },
  /** What is left after the fee is below what the community pool is to get. */
  COMMUNITY_FUNDS: { number: 161, message: "the balance after the fee is below the amount" },
  /** The sender's key does not own the rollup. */
  REVENUE_NOT_OWNER: { number: 162, message: "only the rollup's owner may claim its revenue" },
  /** The rollup has accrued nothing since the last claim. */
  REVENUE_NONE: { number: 163, message: "the rollup has no revenue to claim" },
  /** As many proposals wait for something as may. */
  PROPOSALS_FULL: { number: 180, message: "too many proposals are open" },
  /** There is no proposal of that number. */
  PROPOSAL_UNKNOWN: { number: 181, message: "there is no such proposal" },
  /** Below a tenth of what a vote needs. */
  PROPOSAL_DEPOSIT_SMALL: { number: 182, message: "the deposit is too small" },
  /** What is left after the fee is below the deposit. */
  PROPOSAL_DEPOSIT_FUNDS: {
    number: 183,
    message: "the balance after the fee is below the deposit",
  },
  /** Its deposit is complete, or it is over. */
  PROPOSAL_NOT_GATHERING: { number: 184, message: "the proposal takes no deposits" },
  /** The vote has not begun, or is over. */
  PROPOSAL_NOT_VOTING: { number: 185, message: "the proposal takes no votes" },
  /** Unknown parameters, or values out of bounds. */
  PROPOSAL_PARAMETERS: { number: 186, message: "the parameters may not be so" },
  /** Its height has passed, or no such upgrade is planned. */
  PROPOSAL_UPGRADE: { number: 187, message: "the upgrade cannot be planned or cancelled" },
  /** The account has no stake in a validator of the set. */
  VOTE_NO_STAKE: { number: 188, message: "only stake in validators of the set votes" },
  /** The validator is not in the set. */
  HALT_NO_POWER: { number: 189, message: "only validators of the set may ask for a halt" },

  /** No key is in force, or the validators that hold most of it have too little power by now. */
  SEAL_LANE_OFF: { number: 220, message: "no sealed transactions are taken now" },
  /** Sealed for a key that is not in force any more. */
  SEAL_KEY_OLD: { number: 221, message: "the transaction is sealed for a key that was replaced" },
  /** Sealed for a key that is not in force yet, or that nobody knows. */
  SEAL_KEY_NOT_YET: {
    number: 222,
    message: "the transaction is sealed for a key that is not in force yet",
  },
  /** The last block that may hold it has passed. */
  SEAL_TOO_LATE: { number: 223, message: "the last block that may hold it has passed" },
  /** What is left after the fee is below the bond. */
  SEAL_BOND: { number: 224, message: "the balance after the fee is below the bond" },
  /** No sealed item of that block and id waits to be opened. */
  SEAL_ITEM_UNKNOWN: { number: 225, message: "no such sealed transaction waits to be opened" },
  /** The seed does not open the item. */
  SEAL_SEED: { number: 226, message: "the seed does not open the sealed transaction" },

  /** What is left after the fee does not cover the bond of a commit and the fee of its reveal. */
  SEAL_COMMIT_FUNDS: { number: 240, message: "the balance does not cover what a commit holds" },
  /** The block holds as many commits, of all or of the account, as blocks after it have room to reveal. */
  SEAL_COMMITS_FULL: { number: 242, message: "the block is full of commits" },
  /** No such commit waits: it is revealed, void, or never was. */
  SEAL_COMMIT_UNKNOWN: { number: 243, message: "no such commit waits to be revealed" },
  /** The commit is another account's. */
  SEAL_REVEAL_SENDER: { number: 244, message: "only the sender of a commit may reveal it" },
  /** More bytes than the commit said. */
  SEAL_REVEAL_SIZE: { number: 245, message: "the content is longer than its commit allows" },
  /** Salt and content do not have the commit's hash. */
  SEAL_REVEAL_HASH: { number: 246, message: "this is not what was committed to" },
  /** A key is in force and the lane is open, so that there is no need to commit. */
  SEAL_LANE_OPEN: { number: 247, message: "no commits are taken while a key is in force" },
  /** No block has room for a reveal of its bucket. */
  SEAL_COMMIT_SIZE: { number: 248, message: "the commit is for more than a block could show" },

  /** No key generation of that number is under way, or not in the phase that this belongs to. */
  SEAL_GENERATION_NONE: { number: 250, message: "no such key generation is under way" },
  /** The sender is not the application key of that validator, or the validator does not take part, or not any more. */
  SEAL_NOT_MEMBER: { number: 251, message: "only members of the key generation may do this" },
  /** Registered, dealt, or settled already. */
  SEAL_DONE: { number: 252, message: "that has been done already" },
  /** The dealing is malformed or proves nothing. */
  SEAL_DEAL_BAD: { number: 253, message: "the dealing cannot be taken" },
  /** Neither the dealer's fault nor the member's: the proof is of something else. */
  SEAL_COMPLAINT_UNPROVEN: { number: 254, message: "the complaint proves nothing" },

  /** The first block that may hold the bundle is ahead. */
  BUNDLE_EARLY: { number: 260, message: "the first block that may hold the bundle is ahead" },
  /** The last block that may hold the bundle has passed. */
  BUNDLE_LATE: { number: 261, message: "the last block that may hold the bundle has passed" },
  /** More than 25 heights from the first to the last block, none at all, or a last one over 100 ahead. */
  BUNDLE_WINDOW: { number: 262, message: "the bundle's heights are too many or too far ahead" },
  /** A rollup that is not registered, takes no bundles, or only sealed ones. */
  BUNDLE_ROLLUP: { number: 263, message: "a rollup of the bundle takes no such bundle" },
  /** Another bundle of that key has a higher sequence, or stands in a block. */
  BUNDLE_SUPERSEDED: { number: 264, message: "another bundle of that key has taken its place" },
  /** The sender has cancelled it. */
  BUNDLE_CANCELLED: { number: 265, message: "the bundle has been cancelled" },
  /** What is left after the fee is below the tips and the bond. */
  BUNDLE_FUNDS: { number: 266, message: "the balance after the fee is below the bundle's tips" },
  /** A cancel nonce that is not above the account's. */
  BUNDLE_NONCE: { number: 267, message: "the cancel nonce is not above the account's" },
  /** A cancellation that ends in the past or over 600 heights ahead. */
  BUNDLE_UNTIL: { number: 268, message: "the cancellation does not end within its window" },

  /** No auction is led by that rollup. */
  BID_GROUP: { number: 275, message: "that rollup leads no auction" },
  /** More than 25 heights from the first to the last block, none at all, or a last one over 100 ahead. */
  BID_HEIGHT: { number: 276, message: "the bid's heights are too many or too far ahead" },
  /** The sender's escrow is below the parameter bid_escrow_min. */
  BID_NOT_FUNDED: { number: 277, message: "the escrow is too small to bid" },
  /** The block holds as many bids of the account as it may. */
  BID_TOO_MANY: { number: 278, message: "the block holds five bids of the account" },
  /** The first block that may hold the bid is ahead. */
  BID_EARLY: { number: 279, message: "the first block that may hold the bid is ahead" },
  /** The last block that may hold the bid has passed. */
  BID_LATE: { number: 280, message: "the last block that may hold the bid has passed" },

  /** The balance, or the escrow, is below the amount. */
  ESCROW_FUNDS: { number: 290, message: "there is less than the amount" },
  /** As many requests of the account wait as may, or deposits that bids which wait came before. */
  ESCROW_FULL: { number: 291, message: "too many requests for escrow, or deposits, wait" },

  /** A leader or members that a policy may not name together, or its own rollup. */
  POLICY_GROUP: { number: 295, message: "the policy's auction group cannot be that" },
  /** Second price is for rollups that sell alone. */
  POLICY_PRICING: { number: 296, message: "only a rollup that sells alone may use second price" },
  /** A quorum that is not more than half of the executor keys. */
  POLICY_EXECUTORS: {
    number: 297,
    message: "the quorum has to be more than half of the executor keys, or 0",
  },
  /** A rollup is always its own partner. */
  POLICY_PARTNERS: {
    number: 298,
    message: "a rollup does not name itself as a partner of atomic bundles",
  },

  /** A rollup of the bundle has no quorum, or too few executors that may vote. */
  ATOMIC_ROLLUP: { number: 300, message: "a rollup of the bundle takes no atomic bundles now" },
  /** As many bundles of one of the rollups wait for their decision as may. */
  ATOMIC_FULL: { number: 301, message: "too many atomic bundles of a rollup are open" },
  /** What is left after the fee is below the tips and bonds. */
  ATOMIC_FUNDS: { number: 302, message: "the balance after the fee is below the bundle's bonds" },
  /** No such bundle, or no such leg of it, is open, or its reports are not due any more. */
  ATOMIC_UNKNOWN: { number: 304, message: "there is no such leg of an atomic bundle" },
  /** It is decided, or not decided yet. */
  ATOMIC_STATE: { number: 305, message: "the bundle is not in the state for that" },
  /** A rollup of the bundle lets only others be bundled with it. */
  ATOMIC_PARTNER: {
    number: 306,
    message: "a rollup of the bundle is not bundled with one of the others",
  },
  /** The sender has its part of the open bundles of a rollup. */
  ATOMIC_SENDER: {
    number: 307,
    message: "too many atomic bundles of the sender are open for a rollup",
  },
  /** The sender is not in the committee of the leg, is jailed, or out for good. */
  EXECUTOR_NOT_MEMBER: { number: 310, message: "the sender may not vote about that leg" },
  /** The same vote or report stands already. */
  EXECUTOR_DONE: { number: 311, message: "the executor has said that already" },
  /** The boxes are not of other rollups of the bundle. */
  EXECUTOR_BOXES: { number: 312, message: "a box is of a rollup that the bundle does not name" },
  /** The balance, or the bond, is below the amount. */
  EXECUTOR_FUNDS: { number: 313, message: "there is less than the amount" },
  /** As many requests of the executor wait as may. */
  EXECUTOR_FULL: { number: 314, message: "too many requests for the bond wait" },
  /** The rollup is not registered, or does not name the key as an executor. */
  EXECUTOR_UNKNOWN: { number: 315, message: "the sender's key is no executor of that rollup" },
  /** It is out for good. */
  EXECUTOR_TOMBSTONED: { number: 316, message: "the executor is out for good" },
  /** It is not jailed, or its time is not over. */
  EXECUTOR_JAIL: { number: 317, message: "the executor cannot be let out of jail now" },
  /** The executor did not vote about the leg, so that nothing is to be reported. */
  EXECUTOR_NO_VOTE: { number: 318, message: "the executor has not voted about that leg" },
} as const satisfies Readonly<
  Record<string, { readonly number: number; readonly message: string }>
>;

export type CodeName = keyof typeof CODES;

/** A code and what exactly was expected and came; the sentence is for humans. */
export interface Failure {
  readonly code: CodeName;
  readonly reason: string;
}

export function failure(code: CodeName, detail?: string): Failure {
  const { message } = CODES[code];
  return { code, reason: detail === undefined ? message : `${message}: ${detail}` };
}

/** The name of a code number, for clients and logs. */
export function codeName(number: number): CodeName | undefined {
  for (const [name, code] of Object.entries(CODES)) {
    if (code.number === number && isCodeName(name)) return name;
  }
  return undefined;
}

function isCodeName(name: string): name is CodeName {
  return Object.hasOwn(CODES, name);
}
