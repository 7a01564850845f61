// Writes the dashboards: node ops/grafana/generate.mjs. Panels are described here, once, in one line
// each; the JSON files are what Grafana provisions. test/ops checks that both agree.
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { events, gauge, increase, mean, NODE, panel, quantile, rate, stat, sumBy, table } from "./panels.mjs";
import { ATOMIC_ROW } from "./atomic-row.mjs";
import { AUCTION_ROW } from "./auction-row.mjs";
import { BUNDLE_ROW } from "./bundle-row.mjs";
import { COMETBFT_ROW } from "./cometbft-row.mjs";
import { DRIVER_ROW } from "./driver-row.mjs";
import { ENGINE_API_ROW } from "./engine-api-row.mjs";
import { INCLUSION_ROW } from "./inclusion-row.mjs";
import { SEALED_ROW } from "./sealed-row.mjs";
import { STREAM_PANELS } from "./stream-panels.mjs";

export const dashboards = [
  {
    file: "weft-node.json",
    uid: "weft-node",
    title: "Weft node",
    rows: [
      [
        "Overview",
        stat("Height", "short", [gauge("cometbft_consensus_latest_block_height"), NODE]),
        stat("Ready", "bool", [gauge("weft_node_ready"), NODE]),
        stat("Syncing", "bool", [gauge("cometbft_blocksync_syncing"), NODE]),
        stat("Halted", "bool", [gauge("weft_engine_halted"), NODE]),
        stat("Peers", "short", [gauge("cometbft_p2p_peers"), NODE]),
        table("Nodes", [gauge("weft_node_info"), "{{moniker}} {{version}} {{network}}"]),
      ],
      [
        "Consensus",
        panel("Height being decided", "short", [gauge("cometbft_consensus_height"), NODE]),
        panel("Round", "short", [gauge("cometbft_consensus_rounds"), NODE]),
        panel("Block interval", "s", [mean("cometbft_consensus_block_interval_seconds"), NODE]),
        panel(
          "Round duration (p50, p95)",
          "s",
          [quantile(0.5, "cometbft_consensus_round_duration_seconds"), `${NODE} p50`],
          [quantile(0.95, "cometbft_consensus_round_duration_seconds"), `${NODE} p95`],
        ),
        panel("Step duration (p95)", "s", [
          quantile(0.95, "cometbft_consensus_step_duration_seconds", "step"),
          "{{step}}",
        ]),
        panel("Time to +2/3 prevotes", "s", [gauge("cometbft_consensus_quorum_prevote_delay"), NODE]),
        panel(
          "Validators",
          "short",
          [gauge("cometbft_consensus_validators"), `${NODE} in the set`],
          [gauge("cometbft_consensus_missing_validators"), `${NODE} missing`],
          [gauge("cometbft_consensus_byzantine_validators"), `${NODE} byzantine`],
        ),
        panel(
          "Evidence",
          "short",
          [gauge("weft_evidence_pending"), `${NODE} waiting`],
          [gauge("weft_evidence_pending_bytes"), `${NODE} waiting, bytes`],
          [sumBy("instance, outcome", events("weft_evidence_total")), `${NODE} {{outcome}}`],
          [
            sumBy("instance, type", events("weft_app_misbehavior_total")),
            `${NODE} validators that blocks name, {{type}}`,
          ],
        ),
        panel(
          "Power",
          "short",
          [gauge("cometbft_consensus_validators_power"), `${NODE} total`],
          [gauge("cometbft_consensus_validator_power"), `${NODE} own`],
          [gauge("cometbft_consensus_missing_validators_power"), `${NODE} missing`],
          [gauge("cometbft_consensus_byzantine_validators_power"), `${NODE} byzantine`],
        ),
        panel(
          "Own signatures",
          "short",
          [gauge("cometbft_consensus_validator_last_signed_height"), `${NODE} last signed`],
          [rate("cometbft_consensus_validator_missed_blocks"), `${NODE} missed/s`],
        ),
        panel("Transactions per second", "reqps", [rate("cometbft_consensus_total_txs"), NODE]),
        panel("Transactions in the last block", "short", [gauge("cometbft_consensus_num_txs"), NODE]),
        panel("Block size", "bytes", [gauge("cometbft_consensus_block_size_bytes"), NODE]),
        panel(
          "Proposals",
          "ops",
          [rate("cometbft_consensus_proposal_create_count"), `${NODE} made`],
          [
            sumBy("instance, status", rate("cometbft_consensus_proposal_receive_count")),
            `${NODE} {{status}}`,
          ],
        ),
        panel("Vote extensions", "ops", [
          sumBy("instance, status", rate("cometbft_consensus_vote_extension_receive_count")),
          `${NODE} {{status}}`,
        ]),
        panel(
          "Late and repeated messages",
          "ops",
          [sumBy("instance, vote_type", rate("cometbft_consensus_late_votes")), `${NODE} late {{vote_type}}`],
          [rate("cometbft_consensus_duplicate_vote"), `${NODE} repeated votes`],
          [rate("cometbft_consensus_duplicate_block_part"), `${NODE} repeated parts`],
        ),
        panel("Block parts by peer", "ops", [
          sumBy("peer_id", rate("cometbft_consensus_block_parts")),
          "{{peer_id}}",
        ]),
      ],
      [
        "Stake and governance",
        panel("Power by validator", "short", [
          `max by (validator) (${gauge("weft_staking_validator_power")})`,
          "{{validator}}",
        ]),
        panel("Missed blocks of the window by validator", "short", [
          `max by (validator) (${gauge("weft_staking_validator_missed_blocks")})`,
          "{{validator}}",
        ]),
        panel("Jailed (1 until unjailed, 2 for good)", "short", [
          `max by (validator) (${gauge("weft_staking_validator_jailed")})`,
          "{{validator}}",
        ]),
        panel("Commission by validator", "percentunit", [
          `max by (validator) (${gauge("weft_staking_validator_commission_ratio")})`,
          "{{validator}}",
        ]),
        panel(
          "Slashes",
          "short",
          [sumBy("instance, reason", events("weft_staking_slashes_total")), `${NODE} {{reason}}`],
          [
            sumBy("instance, reason", events("weft_staking_slashed_nweft_total")),
            `${NODE} {{reason}}, nweft`,
          ],
        ),
        panel(
          "nweft outside accounts",
          "short",
          [`max by (pool) (${gauge("weft_staking_pool_nweft")})`, "{{pool}}"],
          [gauge("weft_staking_burned_nweft"), `${NODE} burned`],
        ),
        panel(
          "Epoch and governance",
          "short",
          [gauge("weft_staking_epoch"), `${NODE} epoch`],
          [gauge("weft_governance_open_proposals"), `${NODE} open proposals`],
          [gauge("weft_governance_halt_votes"), `${NODE} validators ask for a halt`],
          [gauge("weft_governance_halted"), `${NODE} halted on purpose`],
          [gauge("weft_governance_upgrade_height"), `${NODE} upgrade it lacks, height`],
        ),
      ],
      SEALED_ROW,
      INCLUSION_ROW,
      BUNDLE_ROW,
      AUCTION_ROW,
      ATOMIC_ROW,
      COMETBFT_ROW,
      [
        "Engine",
        // CometBFT's own buckets end at 91 ms; its mean knows no such end.
        panel(
          "Block processing (mean, p95)",
          "ms",
          [mean("cometbft_state_block_processing_time"), `${NODE} mean`],
          [quantile(0.95, "cometbft_state_block_processing_time"), `${NODE} p95`],
        ),
        panel("Steps of applying a block (p95)", "s", [
          quantile(0.95, "weft_engine_apply_step_seconds", "step"),
          "{{step}}",
        ]),
        panel("Log sync (p99)", "s", [quantile(0.99, "weft_engine_wal_fsync_seconds"), NODE]),
        panel("Signing (p95)", "s", [quantile(0.95, "weft_engine_sign_seconds", "kind"), "{{kind}}"]),
        panel("Own signatures missed", "short", [
          sumBy("instance, kind, reason", events("weft_engine_signatures_missed_total")),
          `${NODE} {{kind}} {{reason}}`,
        ]),
        panel(
          "Remote signer",
          "short",
          [gauge("weft_privval_connected"), `${NODE} connected`],
          [rate("weft_privval_connections_total"), `${NODE} connections/s`],
        ),
        panel(
          "Remote signer: failures",
          "ops",
          [rate("weft_privval_request_failures_total"), `${NODE} {{reason}}`],
          [rate("weft_privval_connections_refused_total"), `${NODE} refused {{reason}}`],
        ),
        panel("Remote signer: answers (p95)", "s", [
          quantile(0.95, "weft_privval_request_seconds", "instance, kind"),
          `${NODE} {{kind}}`,
        ]),
        panel("Signature checks (p95)", "s", [quantile(0.95, "weft_engine_verify_seconds"), NODE]),
        panel("Waiting inputs", "short", [gauge("weft_engine_input_queue_depth"), `${NODE} {{queue}}`]),
        panel("Dropped inputs", "ops", [
          sumBy("instance, reason", rate("weft_engine_inputs_dropped_total")),
          `${NODE} {{reason}}`,
        ]),
        panel("Ignored inputs", "ops", [
          sumBy("code", rate("weft_engine_inputs_ignored_total")),
          "{{code}}",
        ]),
        panel(
          "Changes by blocks",
          "ops",
          [rate("cometbft_state_validator_set_updates"), `${NODE} validators`],
          [rate("cometbft_state_consensus_param_updates"), `${NODE} parameters`],
        ),
      ],
      [
        "Application and pool",
        panel(
          "Pool, transactions",
          "short",
          [gauge("weft_pool_transactions"), NODE],
          [gauge("weft_pool_transactions_max"), `${NODE} limit`],
          [gauge("weft_pool_free_transactions"), `${NODE} free`],
          [gauge("weft_pool_bundles"), `${NODE} bundles`],
          [increase("weft_pool_cancels_forgotten_total"), `${NODE} cancellations forgotten`],
        ),
        panel(
          "Pool, bytes",
          "bytes",
          [gauge("weft_pool_bytes"), NODE],
          [gauge("weft_pool_bytes_max"), `${NODE} limit`],
        ),
        panel("Refused by CheckTx", "ops", [sumBy("code", rate("weft_pool_rejected_total")), "{{code}}"]),
        panel("Evicted", "ops", [sumBy("code", rate("weft_pool_evicted_total")), "{{code}}"]),
        panel("Block items by lane", "ops", [
          sumBy("lane", rate("weft_app_block_items_total")),
          "lane {{lane}}",
        ]),
        panel("Bytes of block items", "Bps", [rate("weft_app_block_item_bytes_total"), NODE]),
        panel("Failed actions", "ops", [sumBy("code", rate("weft_app_failed_actions_total")), "{{code}}"]),
        panel("Base fee", "short", [gauge("weft_app_base_fee_nweft_per_byte"), NODE]),
        panel("ABCI calls (p95)", "s", [quantile(0.95, "weft_app_phase_seconds", "phase"), "{{phase}}"]),
        panel(
          "Refused and replaced proposals",
          "short",
          [increase("weft_app_proposals_rejected_total"), `${NODE} refused`],
          [
            sumBy("instance, step", events("weft_app_fallback_proposals_total")),
            `${NODE} own, gave way to {{step}}`,
          ],
        ),
        panel("Unusable extensions by validator", "ops", [
          sumBy("validator", rate("weft_app_extension_blanks_total")),
          "validator {{validator}}",
        ]),
        panel("Refused extensions", "ops", [
          sumBy("code", rate("weft_app_extensions_rejected_total")),
          "{{code}}",
        ]),
      ],
      [
        "Network",
        panel("Sent to peers", "Bps", [
          sumBy("peer_id", rate("cometbft_p2p_peer_send_bytes_total")),
          "{{peer_id}}",
        ]),
        panel("Received from peers", "Bps", [
          sumBy("peer_id", rate("cometbft_p2p_peer_receive_bytes_total")),
          "{{peer_id}}",
        ]),
        panel("Sent by message", "Bps", [
          sumBy("message_type", rate("cometbft_p2p_message_send_bytes_total")),
          "{{message_type}}",
        ]),
        panel("Received by message", "Bps", [
          sumBy("message_type", rate("cometbft_p2p_message_receive_bytes_total")),
          "{{message_type}}",
        ]),
        panel("Waiting for peers", "bytes", [gauge("cometbft_p2p_peer_pending_send_bytes"), "{{peer_id}}"]),
        panel("Transactions waiting for peers", "short", [
          gauge("weft_p2p_mempool_pending_txs"),
          "{{peer_id}}",
        ]),
        panel("Compact parts", "ops", [sumBy("outcome", rate("weft_p2p_compact_parts_total")), "{{outcome}}"]),
        panel("Spared by compact parts", "Bps", [rate("weft_p2p_compact_spared_bytes_total"), NODE]),
        panel("Dropped and refused", "ops", [sumBy("reason", rate("weft_p2p_dropped_total")), "{{reason}}"]),
        panel("Dials", "ops", [sumBy("outcome", rate("weft_p2p_dials_total")), "{{outcome}}"]),
        panel(
          "Banned peers",
          "short",
          [gauge("weft_p2p_banned_peers"), `${NODE} banned`],
          [sumBy("code", events("weft_p2p_bans_total")), "for {{code}}"],
        ),
        panel("Known addresses", "short", [gauge("weft_p2p_address_book_addresses"), `${NODE} {{kind}}`]),
        panel("Strangers in the handshake", "short", [gauge("weft_p2p_pending_handshakes"), NODE]),
      ],
      [
        "Block sync",
        panel("Last synced height", "short", [gauge("cometbft_blocksync_latest_block_height"), NODE]),
        panel(
          "Synced per second",
          "ops",
          [rate("weft_blocksync_blocks_total"), `${NODE} blocks`],
          [rate("cometbft_blocksync_total_txs"), `${NODE} transactions`],
        ),
        panel("Transactions in the last synced block", "short", [gauge("cometbft_blocksync_num_txs"), NODE]),
        panel(
          "Synced blocks",
          "bytes",
          [gauge("cometbft_blocksync_block_size_bytes"), `${NODE} last`],
          [gauge("weft_blocksync_buffered_bytes"), `${NODE} waiting`],
        ),
        panel(
          "Peers and requests",
          "short",
          [gauge("weft_blocksync_peers"), `${NODE} peers`],
          [gauge("weft_blocksync_pending_requests"), `${NODE} requests`],
        ),
        panel("Blocks received", "ops", [sumBy("use", rate("weft_blocksync_blocks_received_total")), "{{use}}"]),
        panel("Returns to block sync", "ops", [rate("weft_blocksync_returns_total"), NODE]),
        panel("Peers banned", "ops", [sumBy("fault", rate("weft_blocksync_peers_dropped_total")), "{{fault}}"]),
        panel("Blocks served", "ops", [sumBy("answer", rate("weft_p2p_blocks_served_total")), "{{answer}}"]),
      ],
      [
        "Snapshots and state sync",
        panel("Newest snapshot", "short", [gauge("weft_app_snapshot_height"), NODE]),
        panel("Snapshots due", "short", [sumBy("outcome", events("weft_app_snapshots_total")), "{{outcome}}"]),
        panel("Time of a snapshot (p95)", "s", [quantile(0.95, "weft_app_snapshot_seconds"), NODE]),
        panel("Chunks served", "ops", [sumBy("answer", rate("weft_p2p_chunks_served_total")), "{{answer}}"]),
        panel(
          "State sync",
          "short",
          [gauge("cometbft_statesync_syncing"), `${NODE} syncing`],
          [gauge("weft_statesync_snapshots"), `${NODE} snapshots of peers`],
        ),
        panel("Snapshot being restored", "short", [gauge("weft_statesync_height"), NODE]),
        panel(
          "Chunks",
          "short",
          [gauge("weft_statesync_chunks"), `${NODE} in all`],
          [gauge("weft_statesync_pending_chunks"), `${NODE} asked for`],
          [gauge("weft_statesync_chunks_applied_total"), `${NODE} applied`],
        ),
        panel("Restored", "Bps", [rate("weft_statesync_chunk_bytes_total"), NODE]),
        panel("State sync refusals", "ops", [sumBy("what", rate("weft_statesync_rejected_total")), "{{what}}"]),
      ],
      [
        "Services",
        panel("RPC calls", "reqps", [sumBy("method, outcome", rate("weft_rpc_requests_total")), "{{method}} {{outcome}}"]),
        panel("RPC calls (p95)", "s", [
          quantile(0.95, "weft_rpc_request_duration_seconds", "method"),
          "{{method}}",
        ]),
        panel("RPC connections", "short", [gauge("weft_rpc_connections"), `${NODE} {{transport}}`]),
        panel(
          "Subscriptions",
          "short",
          [gauge("weft_rpc_subscriptions"), `${NODE} open`],
          [rate("weft_rpc_events_sent_total"), `${NODE} events/s`],
          [rate("weft_rpc_slow_clients_dropped_total"), `${NODE} slow clients dropped/s`],
        ),
        panel("RPC refusals", "ops", [sumBy("reason", rate("weft_rpc_refused_total")), "{{reason}}"]),
        panel(
          "Index",
          "short",
          [gauge("weft_indexer_height"), `${NODE} height`],
          [gauge("weft_indexer_lag_blocks"), `${NODE} behind`],
          [rate("weft_indexer_txs_total"), `${NODE} transactions/s`],
        ),
        panel("Indexing a block (p95)", "s", [
          quantile(0.95, "weft_indexer_batch_duration_seconds"),
          NODE,
        ]),
        panel("gRPC calls", "reqps", [
          sumBy("method, status", rate("weft_grpc_calls_total")),
          "{{method}} {{status}}",
        ]),
        panel("gRPC calls (p95)", "s", [quantile(0.95, "weft_grpc_call_seconds", "method"), "{{method}}"]),
        ...STREAM_PANELS,
        panel("Submissions", "ops", [
          sumBy("result", rate("weft_grpc_submissions_total")),
          "{{result}}",
        ]),
      ],
      [
        "Process",
        panel(
          "Event loop lag",
          "s",
          [gauge("nodejs_eventloop_lag_p50_seconds"), `${NODE} p50`],
          [gauge("nodejs_eventloop_lag_p99_seconds"), `${NODE} p99`],
        ),
        panel("CPU", "percentunit", [rate("process_cpu_seconds_total"), NODE]),
        panel(
          "Memory",
          "bytes",
          [gauge("process_resident_memory_bytes"), `${NODE} resident`],
          [gauge("nodejs_heap_size_used_bytes"), `${NODE} heap`],
          [gauge("weft_node_heap_limit_bytes"), `${NODE} heap limit`],
        ),
        panel("Garbage collection", "percentunit", [
          sumBy("instance, kind", rate("nodejs_gc_duration_seconds_sum")),
          `${NODE} {{kind}}`,
        ]),
        panel(
          "Disk",
          "bytes",
          [gauge("weft_node_disk_free_bytes"), `${NODE} free`],
          [gauge("weft_node_disk_size_bytes"), `${NODE} size`],
        ),
        panel("Open files", "short", [gauge("process_open_fds"), NODE]),
      ],
    ],
  },
  {
    file: "weft-signer.json",
    uid: "weft-signer",
    title: "Weft signer",
    rows: [
      [
        "Signer",
        stat("Last signed height", "short", [gauge("weft_signer_last_signed_height"), NODE]),
        stat("Nodes connected", "short", [gauge("weft_signer_connections"), NODE]),
        panel("Answers", "ops", [
          sumBy("instance, kind, result", rate("weft_signer_answers_total")),
          `${NODE} {{kind}} {{result}}`,
        ]),
        panel("Signing (p95)", "s", [
          quantile(0.95, "weft_signer_sign_seconds", "instance, kind"),
          `${NODE} {{kind}}`,
        ]),
        panel("Failed connections", "ops", [
          rate("weft_signer_connections_failed_total"),
          `${NODE} {{reason}}`,
        ]),
      ],
    ],
  },
  {
    file: "weft-rollup.json",
    uid: "weft-rollup",
    title: "Weft rollup",
    rows: [
      DRIVER_ROW,
      [
        "EVM",
        panel(
          "Heads",
          "short",
          [gauge("weft_evm_head_number"), `${NODE} latest`],
          [gauge("weft_evm_safe_number"), `${NODE} safe`],
          [gauge("weft_evm_finalized_number"), `${NODE} finalized`],
        ),
        panel("Sequencer height taken", "short", [gauge("weft_evm_sequencer_height"), NODE]),
        panel("Blocks", "ops", [rate("weft_evm_blocks_executed_total"), NODE]),
        panel("Transactions", "ops", [rate("weft_evm_transactions_included_total"), NODE]),
        panel("Skipped payloads", "ops", [
          sumBy("reason", rate("weft_evm_payloads_skipped_total")),
          "{{reason}}",
        ]),
        panel("Gas per second", "short", [rate("weft_evm_gas_used_total"), NODE]),
        panel("Execution of a block (p95)", "s", [
          quantile(0.95, "weft_evm_block_execution_seconds"),
          NODE,
        ]),
        panel("Failed executions", "ops", [rate("weft_evm_execution_failures_total"), NODE]),
        panel("JSON-RPC calls", "reqps", [
          sumBy("method, code", rate("weft_evm_rpc_requests_total")),
          "{{method}} {{code}}",
        ]),
        panel("JSON-RPC calls (p95)", "s", [
          quantile(0.95, "weft_evm_rpc_request_seconds", "method"),
          "{{method}}",
        ]),
        panel("WebSockets", "short", [gauge("weft_evm_rpc_websockets"), NODE]),
        panel("Refused or dropped", "ops", [sumBy("what", rate("weft_evm_rpc_dropped_total")), "{{what}}"]),
        panel(
          "Pending transactions",
          "short",
          [gauge("weft_evm_pending_transactions"), NODE],
          [rate("weft_evm_resubmissions_total"), `${NODE} posted again/s`],
        ),
      ],
      ENGINE_API_ROW,
      [
        "Gateway",
        panel("Waiting for their place", "short", [gauge("weft_gateway_pending"), NODE]),
        panel("Submissions", "ops", [
          sumBy("result", rate("weft_gateway_submissions_total")),
          "{{result}}",
        ]),
        panel(
          "Trouble",
          "ops",
          [rate("weft_gateway_resubmissions_total"), `${NODE} submitted again`],
          [rate("weft_gateway_abandoned_total"), `${NODE} given up`],
          [rate("weft_gateway_journal_failures_total"), `${NODE} journal not written`],
        ),
        panel("Bundles, bids and cancellations of searchers", "short", [
          sumBy("instance, result", events("weft_gateway_bundles_total")),
          `${NODE} {{result}}`,
        ]),
        panel("Size of a submission (p95)", "bytes", [quantile(0.95, "weft_gateway_batch_bytes"), NODE]),
        panel(
          "Journal: a turn of the disk (p50, p95)",
          "s",
          [quantile(0.5, "weft_gateway_journal_seconds"), `${NODE} p50`],
          [quantile(0.95, "weft_gateway_journal_seconds"), `${NODE} p95`],
        ),
        panel("Journal: records", "ops", [rate("weft_gateway_journal_writes_total"), NODE]),
        panel("Taken up from the journal at a start", "short", [
          sumBy("instance, what", events("weft_gateway_recovered_total")),
          `${NODE} {{what}}`,
        ]),
      ],
      [
        "Light client",
        stat("Verified height", "short", [gauge("weft_light_trusted_height"), NODE]),
        stat("Witnesses", "short", [gauge("weft_light_witnesses"), NODE]),
        stat("Attacks", "short", [gauge("weft_light_attacks_total"), NODE]),
        panel("Blocks examined", "ops", [rate("weft_light_blocks_examined_total"), NODE]),
        panel("Failed or lying nodes", "ops", [
          sumBy("kind", rate("weft_light_provider_faults_total")),
          "{{kind}}",
        ]),
        panel("Answers", "reqps", [
          sumBy("method, outcome", rate("weft_light_answers_total")),
          "{{method}} {{outcome}}",
        ]),
      ],
    ],
  },
];

const DATASOURCE = { type: "prometheus", uid: "${datasource}" };
const WIDTH = 24;
const SIZES = { timeseries: { w: 8, h: 8 }, stat: { w: 4, h: 4 }, table: { w: 4, h: 4 } };

export function render(dashboard) {
  let id = 0;
  let y = 0;
  const panels = [];
  for (const [title, ...items] of dashboard.rows) {
    panels.push({ id: ++id, type: "row", title, collapsed: false, gridPos: { x: 0, y, w: WIDTH, h: 1 }, panels: [] });
    y += 1;
    let x = 0;
    let height = 0;
    for (const item of items) {
      const { w, h } = SIZES[item.type];
      if (x + w > WIDTH) {
        x = 0;
        y += height;
        height = 0;
      }
      panels.push(renderPanel(item, ++id, { x, y, w, h }));
      x += w;
      height = Math.max(height, h);
    }
    y += height;
  }
  return {
    uid: dashboard.uid,
    title: dashboard.title,
    tags: ["weft"],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: "10s",
    time: { from: "now-30m", to: "now" },
    timezone: "utc",
    templating: { list: variables() },
    annotations: { list: [] },
    panels,
  };
}

function renderPanel(item, id, gridPos) {
  return {
    id,
    type: item.type,
    title: item.title,
    datasource: DATASOURCE,
    gridPos,
    fieldConfig: { defaults: { unit: item.unit, min: 0 }, overrides: [] },
    options:
      item.type === "timeseries"
        ? { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi" } }
        : {},
    targets: item.targets.map(([expr, legendFormat], i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: DATASOURCE,
      expr,
      legendFormat,
      ...(item.type === "timeseries" ? {} : { instant: true }),
    })),
  };
}

function variables() {
  const query = (name, label, definition) => ({
    name,
    label,
    type: "query",
    datasource: DATASOURCE,
    definition,
    query: { query: definition, refId: name },
    refresh: 2,
    multi: true,
    includeAll: true,
    current: { text: "All", value: "$__all" },
    sort: 1,
  });
  return [
    { name: "datasource", label: "Data source", type: "datasource", query: "prometheus" },
    query("job", "Job", "label_values(up, job)"),
    query("instance", "Instance", 'label_values(up{job=~"$job"}, instance)'),
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = new URL("./dashboards/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  for (const dashboard of dashboards) {
    writeFileSync(new URL(dashboard.file, folder), `${JSON.stringify(render(dashboard), undefined, 2)}\n`);
  }
}
