import type { Application, SnapshotApplication } from "../../sequencer/abci/application.ts";

/** The methods of an application as an object that one can spread, to put others in their place. */
export function methodsOf(inner: Application): Application {
  return {
    info: (request) => inner.info(request),
    query: (request) => inner.query(request),
    checkTx: (request) => inner.checkTx(request),
    ...(inner.checkTxs === undefined ? {} : { checkTxs: inner.checkTxs.bind(inner) }),
    initChain: (request) => inner.initChain(request),
    prepareProposal: (request) => inner.prepareProposal(request),
    processProposal: (request) => inner.processProposal(request),
    extendVote: (request) => inner.extendVote(request),
    verifyVoteExtension: (request) => inner.verifyVoteExtension(request),
    finalizeBlock: (request) => inner.finalizeBlock(request),
    commit: () => inner.commit(),
    ...(inner.checksDuringCommit === undefined
      ? {}
      : { checksDuringCommit: inner.checksDuringCommit }),
  };
}

/** The same of its methods for snapshots. */
export function snapshotMethodsOf(inner: SnapshotApplication): SnapshotApplication {
  return {
    listSnapshots: () => inner.listSnapshots(),
    loadSnapshotChunk: (request) => inner.loadSnapshotChunk(request),
    offerSnapshot: (request) => inner.offerSnapshot(request),
    applySnapshotChunk: (request) => inner.applySnapshotChunk(request),
  };
}
