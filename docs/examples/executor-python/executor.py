#!/usr/bin/python3
"""A rollup in a page: names, each of who asked for it first. Rules and commands: README.md.

executor.py ROLLUP DATABASE HOST:PORT
"""
import hashlib
import re
import sqlite3
import sys
from concurrent import futures

import grpc
from weft.execution.v1 import execution_pb2 as pb

ROLLUP, DATABASE, ADDRESS = sys.argv[1:4]
LINE = re.compile(rb"([a-z0-9-]{1,32}) ([!-~]{1,128})")
INVALID, UNKNOWN, FORGOTTEN = "INVALID_REQUEST", "BLOCK_UNKNOWN", "HEIGHT_FORGOTTEN"
STATUS = {INVALID: "INVALID_ARGUMENT", UNKNOWN: "NOT_FOUND", FORGOTTEN: "OUT_OF_RANGE"}
ANSWERS_KEPT = 1_000


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


class Refused(Exception):
    pass


def require(is_so, code, **heights):
    if not is_so:
        raise Refused(code, heights)


def get(kind, key=""):
    query = "SELECT value FROM kept WHERE kind = ? AND key = ?"
    found = db.execute(query, (kind, key)).fetchone()
    return found and found[0]


def put(kind, value, key=""):
    db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", (kind, key, value))


def init(request, status):
    is_named = request.sequencer_chain_id and request.sequencer_start_height
    require(is_named and len(request.rollup_id) == 32, INVALID)
    binding = request.SerializeToString()
    is_same = get("init") in (None, binding) and request.rollup_id == status.rollup_id
    require(is_same, "GENESIS_MISMATCH")
    if not status.is_initialized:
        status.is_initialized, status.next_sequencer_height = True, request.sequencer_start_height
        put("init", binding)
    named = {"rollup_id": status.rollup_id, "genesis_hash": status.genesis_hash}
    at = {"head": status.head, "next_sequencer_height": status.next_sequencer_height}
    return pb.InitResponse(**named, **at)


def execute_block(request, status):
    height, block_hash, time = request.sequencer_height, request.sequencer_block_hash, request.time
    first, expected = request.sequencer_height_first or height, status.next_sequencer_height
    is_timed = request.HasField("time") and time.seconds >= 0 and 0 <= time.nanos < 10**9
    require(len(block_hash) == 32 and 1 <= first <= height and is_timed, INVALID)
    require(status.is_initialized, "NOT_INITIALIZED")
    if height <= status.sequencer.height:  # it was taken before
        known = get("answer", height)
        require(known, FORGOTTEN, height=height)
        require(known[:32] == block_hash, "CONFLICT", height=height)
        return pb.ExecuteBlockResponse.FromString(known[32:])
    require(first == expected, "HEIGHT_GAP", expected=expected, got=first)
    require(request.parent_hash in (b"", status.head.hash), "PARENT_MISMATCH")
    answer = pb.ExecuteBlockResponse(block=status.head, outcome=pb.EXECUTION_OUTCOME_NONE)
    if request.payloads:
        answer = run(request, status.head)
        put("block", answer.block.SerializeToString(), answer.block.hash)
    put("answer", block_hash + answer.SerializeToString(), height)
    db.execute("DELETE FROM kept WHERE kind = 'answer' AND key <= ?", (height - ANSWERS_KEPT,))
    status.head.CopyFrom(answer.block)
    status.sequencer.height, status.sequencer.block_hash = height, block_hash
    status.next_sequencer_height = height + 1
    return answer


def run(request, parent):
    """The block that the payloads make: a function of them and the state, and of nothing else."""
    skipped = []
    # Over all lines that had an effect, so over the whole state.
    state_root = parent.state_root
    for index, payload in enumerate(request.payloads):
        line = LINE.fullmatch(payload)
        if line is None:
            skipped.append(pb.SkippedPayload(index=index, reason="MALFORMED"))
        elif get("name", line[1]):
            skipped.append(pb.SkippedPayload(index=index, reason="TAKEN"))
        else:
            put("name", line[2], line[1])
            state_root = sha256(state_root, payload)
    block = pb.ExecutedBlock(number=parent.number + 1, parent_hash=parent.hash)
    block.state_root = state_root
    block.receipts_root = sha256(*(b"%d " % one.index for one in skipped))
    block.timestamp_seconds = max(parent.timestamp_seconds, request.time.seconds)
    hashes = (parent.hash, state_root, block.receipts_root, request.sequencer_block_hash)
    block.hash = sha256(*hashes, b"%d" % block.timestamp_seconds)
    included, outcome = len(request.payloads) - len(skipped), pb.EXECUTION_OUTCOME_BLOCK
    return pb.ExecuteBlockResponse(block=block, outcome=outcome, included=included, skipped=skipped)


def set_finality(request, status):
    hashes = (request.safe_hash, request.finalized_hash)
    require(all(len(one) == 32 for one in hashes), INVALID)
    require(status.is_initialized, "NOT_INITIALIZED")
    found = [get("block", one) for one in hashes]
    require(all(found), UNKNOWN)
    safe, finalized = (pb.ExecutedBlock.FromString(block) for block in found)
    is_forward = status.safe.number <= safe.number and status.finalized.number <= finalized.number
    require(is_forward and finalized.number <= safe.number, "FINALITY_REGRESSION")
    status.safe.CopyFrom(safe)
    status.finalized.CopyFrom(finalized)
    return pb.SetFinalityResponse(safe=safe, finalized=finalized)


def get_status(_request, status):
    return status


def served(call, request_type):
    def handle(request, context):
        try:
            with db:  # one transaction: all of a call is on the disk before its answer, or nothing
                status = pb.GetStatusResponse.FromString(get("status"))
                answer = call(request, status)
                if call is not get_status:
                    put("status", status.SerializeToString())
                return answer
        except Refused as refused:
            code, heights = refused.args
            metadata = [("weft-" + name, str(height)) for name, height in heights.items()]
            context.set_trailing_metadata([("weft-code", "EXECUTION_" + code), *metadata])
            name = STATUS.get(code, "FAILED_PRECONDITION")
            context.abort(getattr(grpc.StatusCode, name), code)

    read, write = request_type.FromString, lambda message: message.SerializeToString()
    return grpc.unary_unary_rpc_method_handler(handle, read, write)


db = sqlite3.connect(DATABASE, check_same_thread=False)
db.executescript(
    """
    PRAGMA locking_mode = EXCLUSIVE; -- one process
    PRAGMA synchronous = FULL;       -- a commit is on the disk
    CREATE TABLE IF NOT EXISTS kept (kind TEXT, key BLOB, value BLOB, PRIMARY KEY (kind, key));
    """
)
with db:
    if get("status") is None:
        rollup_id, zeros = sha256(ROLLUP.encode()), bytes(32)
        block = pb.ExecutedBlock(hash=sha256(rollup_id), parent_hash=zeros, state_root=zeros)
        block.receipts_root = zeros
        labels = {"head": block, "safe": block, "finalized": block}
        fresh = pb.GetStatusResponse(rollup_id=rollup_id, genesis_hash=block.hash, **labels)
        put("status", fresh.SerializeToString())
        put("block", block.SerializeToString(), block.hash)

calls = {
    "Init": served(init, pb.InitRequest),
    "ExecuteBlock": served(execute_block, pb.ExecuteBlockRequest),
    "SetFinality": served(set_finality, pb.SetFinalityRequest),
    "GetStatus": served(get_status, pb.GetStatusRequest),
}
# The answer to every health check is the same message: status (1) is SERVING (1).
health = {"Check": grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"\x08\x01")}
services = {"weft.execution.v1.ExecutionService": calls, "grpc.health.v1.Health": health}
handlers = [grpc.method_handlers_generic_handler(*service) for service in services.items()]
# One worker: calls run one after another.
options = [("grpc.max_receive_message_length", 64 << 20), ("grpc.so_reuseport", 0)]
server = grpc.server(futures.ThreadPoolExecutor(max_workers=1), handlers, options=options)
port = server.add_insecure_port(ADDRESS) or sys.exit("cannot listen at " + ADDRESS)
server.start()
print("executor ready at port %d" % port, flush=True)
server.wait_for_termination()
