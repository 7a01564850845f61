#!/usr/bin/python3
"""A rollup in a page: names that only who knows a secret can change. Rules and commands: README.md.

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
NAMES_MAX = 10_000
ANSWERS_KEPT = 1_000
PAYLOAD = re.compile(rb"([a-z0-9-]{1,32}) ([!-~]{1,128}) ([0-9a-f]{64})(?: ([0-9a-f]{64}))?")
STATUS = {  # of each refusal that is not FAILED_PRECONDITION
    "EXECUTION_INVALID_REQUEST": grpc.StatusCode.INVALID_ARGUMENT,
    "EXECUTION_BLOCK_UNKNOWN": grpc.StatusCode.NOT_FOUND,
    "EXECUTION_HEIGHT_FORGOTTEN": grpc.StatusCode.OUT_OF_RANGE,
}


def sha256(data):
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).digest()


class Refused(Exception):
    """A call that is refused; heights go into the trailing metadata."""

    def __init__(self, code, **heights):
        super().__init__(code)
        self.code, self.heights = "EXECUTION_" + code, heights


def refuse_if(is_so, code, **heights):
    if is_so:
        raise Refused(code, **heights)


db = sqlite3.connect(DATABASE, check_same_thread=False)
db.executescript(
    """
    PRAGMA locking_mode = EXCLUSIVE; -- one process
    PRAGMA synchronous = FULL;       -- a commit is on the disk
    CREATE TABLE IF NOT EXISTS names (name TEXT PRIMARY KEY, value TEXT, lock TEXT);
    CREATE TABLE IF NOT EXISTS blocks (number INTEGER PRIMARY KEY, hash BLOB UNIQUE, block BLOB);
    CREATE TABLE IF NOT EXISTS answers (height INTEGER PRIMARY KEY, hash BLOB, answer BLOB);
    CREATE TABLE IF NOT EXISTS facts (fact TEXT PRIMARY KEY, value);
    """
)


def row(query, *values):
    return db.execute(query, values).fetchone()


def fact(name, default=None):
    found = row("SELECT value FROM facts WHERE fact = ?", name)
    return found[0] if found else default


def set_fact(name, value):
    db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def block_at(number):
    return pb.ExecutedBlock.FromString(row("SELECT block FROM blocks WHERE number = ?", number)[0])


def head():
    return block_at(row("SELECT max(number) FROM blocks")[0])


def last_height():
    return row("SELECT max(height) FROM answers")[0]


def next_height():
    last = last_height()
    return fact("start", 0) if last is None else last + 1


def state_root():
    names = db.execute("SELECT name, value, lock FROM names ORDER BY name")
    return sha256("".join("%s %s %s\n" % name for name in names))


def store_block(block):
    values = (block.number, block.hash, block.SerializeToString())
    db.execute("INSERT INTO blocks VALUES (?, ?, ?)", values)


def init(request):
    chain, start = request.sequencer_chain_id, request.sequencer_start_height
    is_valid = len(request.rollup_id) == 32 and 1 <= len(chain) <= 50 and 1 <= start < 2**63
    refuse_if(not is_valid, "INVALID_REQUEST")
    bound = (fact("chain", chain), fact("start", start))
    is_other = request.rollup_id != ROLLUP_ID or bound != (chain, start)
    refuse_if(is_other, "GENESIS_MISMATCH")
    set_fact("chain", chain)
    set_fact("start", start)
    at = {"head": head(), "next_sequencer_height": next_height()}
    return pb.InitResponse(rollup_id=ROLLUP_ID, chain_id=CHAIN_ID, genesis_hash=GENESIS.hash, **at)


def execute_block(request):
    height, time = request.sequencer_height, request.time
    first = request.sequencer_height_first or height
    is_valid = len(request.sequencer_block_hash) == 32 and 1 <= first <= height < 2**63
    is_timed = request.HasField("time") and time.seconds >= 0 and 0 <= time.nanos < 10**9
    refuse_if(not (is_valid and is_timed), "INVALID_REQUEST")
    refuse_if(fact("chain") is None, "NOT_INITIALIZED")
    last = last_height()
    if last is not None and height <= last:  # it was taken before
        known = row("SELECT hash, answer FROM answers WHERE height = ?", height)
        refuse_if(known is None, "HEIGHT_FORGOTTEN", height=height)
        refuse_if(known[0] != request.sequencer_block_hash, "CONFLICT", height=height)
        return pb.ExecuteBlockResponse.FromString(known[1])
    refuse_if(first != next_height(), "HEIGHT_GAP", expected=next_height(), got=first)
    parent = head()
    is_on_head = request.parent_hash in (b"", parent.hash)
    refuse_if(not is_on_head, "PARENT_MISMATCH")
    if request.payloads:
        answer = run(request, parent)
    else:
        answer = pb.ExecuteBlockResponse(block=parent, outcome=pb.EXECUTION_OUTCOME_NONE)
    values = (height, request.sequencer_block_hash, answer.SerializeToString())
    db.execute("INSERT INTO answers VALUES (?, ?, ?)", values)
    db.execute("DELETE FROM answers WHERE height <= ?", (height - ANSWERS_KEPT,))
    return answer


def run(request, parent):
    """All payloads in order; the block that they make."""
    answer = pb.ExecuteBlockResponse(outcome=pb.EXECUTION_OUTCOME_BLOCK)
    for index, payload in enumerate(request.payloads):
        reason = apply(payload)
        if reason:
            answer.skipped.add(index=index, reason=reason)
    answer.included = len(request.payloads) - len(answer.skipped)
    block = answer.block
    block.number, block.parent_hash = parent.number + 1, parent.hash
    block.state_root = state_root()
    block.receipts_root = sha256(" ".join("%d:%s" % (s.index, s.reason) for s in answer.skipped))
    block.timestamp_seconds = max(parent.timestamp_seconds, request.time.seconds)
    block.gas_used = answer.included
    hashes = [parent.hash, block.state_root, block.receipts_root, request.sequencer_block_hash]
    numbers = "%d %d %d " % (block.number, block.timestamp_seconds, block.gas_used)
    block.hash = sha256(numbers + " ".join(part.hex() for part in hashes))
    store_block(block)
    return answer


def apply(payload):
    """Changes the state, or says why not: a function of state and payload, and of nothing else."""
    match = PAYLOAD.fullmatch(payload)
    if match is None:
        return "MALFORMED"
    name, value, lock, key = (part.decode() if part else None for part in match.groups())
    owned = row("SELECT lock FROM names WHERE name = ?", name)
    if owned is None and key:
        return "NO_SUCH_NAME"
    if owned is None and row("SELECT count(*) FROM names")[0] >= NAMES_MAX:
        return "FULL"
    if owned and (key is None or sha256(bytes.fromhex(key)).hex() != owned[0]):
        return "WRONG_KEY"
    db.execute("INSERT OR REPLACE INTO names VALUES (?, ?, ?)", (name, value, lock))
    return None


def set_finality(request):
    hashes = (request.safe_hash, request.finalized_hash)
    refuse_if(any(len(one) != 32 for one in hashes), "INVALID_REQUEST")
    refuse_if(fact("chain") is None, "NOT_INITIALIZED")
    found = [row("SELECT number FROM blocks WHERE hash = ?", one) for one in hashes]
    refuse_if(None in found, "BLOCK_UNKNOWN")
    safe, finalized = found[0][0], found[1][0]
    is_back = safe < fact("safe", 0) or finalized < fact("finalized", 0)
    refuse_if(is_back or finalized > safe, "FINALITY_REGRESSION")
    set_fact("safe", safe)
    set_fact("finalized", finalized)
    return pb.SetFinalityResponse(safe=block_at(safe), finalized=block_at(finalized))


def get_status(_request):
    status = pb.GetStatusResponse(rollup_id=ROLLUP_ID, chain_id=CHAIN_ID, genesis_hash=GENESIS.hash)
    status.is_initialized = fact("chain") is not None
    status.head.CopyFrom(head())
    status.safe.CopyFrom(block_at(fact("safe", 0)))
    status.finalized.CopyFrom(block_at(fact("finalized", 0)))
    status.next_sequencer_height = next_height()
    last = row("SELECT height, hash FROM answers ORDER BY height DESC LIMIT 1")
    if last:
        status.sequencer.height, status.sequencer.block_hash = last
    return status


def served(call, request_type):
    def handle(request, context):
        try:
            with db:  # one transaction: all of a call is on the disk before its answer, or nothing
                return call(request)
        except Refused as refused:
            heights = refused.heights.items()
            metadata = [("weft-%s" % name, str(height)) for name, height in heights]
            context.set_trailing_metadata([("weft-code", refused.code), *metadata])
            context.abort(STATUS.get(refused.code, grpc.StatusCode.FAILED_PRECONDITION), refused.code)

    read, write = request_type.FromString, lambda message: message.SerializeToString()
    return grpc.unary_unary_rpc_method_handler(handle, read, write)


ROLLUP_ID = sha256(ROLLUP)
CHAIN_ID = int.from_bytes(ROLLUP_ID[:4], "big")
GENESIS = pb.ExecutedBlock(hash=sha256("genesis " + ROLLUP), parent_hash=bytes(32))
GENESIS.state_root = GENESIS.receipts_root = sha256("")
with db:
    if row("SELECT count(*) FROM blocks")[0] == 0:
        store_block(GENESIS)
    if block_at(0).hash != GENESIS.hash:
        sys.exit("%s holds another rollup than %s" % (DATABASE, ROLLUP))

calls = {
    "Init": served(init, pb.InitRequest),
    "ExecuteBlock": served(execute_block, pb.ExecuteBlockRequest),
    "SetFinality": served(set_finality, pb.SetFinalityRequest),
    "GetStatus": served(get_status, pb.GetStatusRequest),
}
# The answer to every health check is the same message: status (1) is SERVING (1).
health = grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"\x08\x01")
# One worker: calls run one after another.
options = [("grpc.max_receive_message_length", 64 << 20), ("grpc.so_reuseport", 0)]
server = grpc.server(futures.ThreadPoolExecutor(max_workers=1), options=options)
server.add_generic_rpc_handlers(
    (
        grpc.method_handlers_generic_handler("weft.execution.v1.ExecutionService", calls),
        grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": health}),
    )
)
port = server.add_insecure_port(ADDRESS)
if port == 0:
    sys.exit("cannot listen at " + ADDRESS)
server.start()
print("executor ready at port %d" % port, flush=True)
server.wait_for_termination()
