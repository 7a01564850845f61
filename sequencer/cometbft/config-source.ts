/**
 * What CometBFT's configuration is made of: the keys of our `config.toml` that CometBFT has too, under its
 * names, durations as checked text such as `500ms`. `Config` of `sequencer/node` has this shape.
 */
export interface CometBftConfigSource {
  readonly moniker: string;
  readonly log_level: "error" | "warn" | "info" | "debug";
  readonly priv_validator_laddr: string;
  readonly priv_validator_dial_addr: string;
  readonly priv_validator_signer_ids: string;
  readonly rpc: {
    readonly laddr: string;
    readonly cors_allowed_origins: readonly string[];
    readonly cors_allowed_methods: readonly string[];
    readonly cors_allowed_headers: readonly string[];
    readonly max_open_connections: number;
    readonly max_subscription_clients: number;
    readonly max_subscriptions_per_client: number;
    readonly timeout_broadcast_tx_commit: string;
    readonly max_request_batch_size: number;
    readonly max_body_bytes: number;
    readonly max_header_bytes: number;
    readonly experimental_close_on_slow_client: boolean;
    readonly unsafe: boolean;
  };
  readonly p2p: {
    readonly laddr: string;
    readonly external_address: string;
    readonly seeds: string;
    readonly persistent_peers: string;
    readonly persistent_peers_max_dial_period: string;
    readonly unconditional_peer_ids: string;
    readonly private_peer_ids: string;
    readonly pex: boolean;
    readonly seed_mode: boolean;
    readonly addr_book_file: string;
    readonly addr_book_strict: boolean;
    readonly max_num_inbound_peers: number;
    readonly max_num_outbound_peers: number;
    readonly flush_throttle_timeout: string;
    readonly max_packet_msg_payload_size: number;
    readonly send_rate: number;
    readonly recv_rate: number;
    readonly allow_duplicate_ip: boolean;
    readonly handshake_timeout: string;
    readonly dial_timeout: string;
  };
  readonly mempool: {
    readonly broadcast: boolean;
    readonly size: number;
    readonly max_txs_bytes: number;
    readonly max_tx_bytes: number;
  };
  readonly consensus: {
    readonly timeout_propose: string;
    readonly timeout_propose_delta: string;
    readonly timeout_prevote: string;
    readonly timeout_prevote_delta: string;
    readonly timeout_precommit: string;
    readonly timeout_precommit_delta: string;
    readonly timeout_commit: string;
    readonly skip_timeout_commit: boolean;
    readonly create_empty_blocks: boolean;
    readonly create_empty_blocks_interval: string;
    readonly block_time_tolerance: string;
  };
  readonly statesync: {
    readonly enable: boolean;
    readonly rpc_servers: string;
    readonly trust_height: number;
    readonly trust_hash: string;
    readonly trust_period: string;
    readonly discovery_time: string;
    readonly temp_dir: string;
    readonly chunk_request_timeout: string;
    readonly chunk_fetchers: number;
  };
  readonly tx_index: { readonly indexer: "kv" | "null" };
}
