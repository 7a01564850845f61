/** What is measured against what: one list for the short form, a longer one on request. */
import { PAYLOAD_BYTES } from "../limits.ts";
import { LIGHT_RATE, LOW_RATE, OUTSTANDING_BATCHES, OUTSTANDING_SINGLES } from "./limits.ts";

export type SubjectName = "cometbft+kvstore" | "cometbft+weft" | "weft";

export interface Scenario {
  readonly name: string;
  readonly subject: SubjectName;
  /** gRPC: `SubmitStream` and `StreamBlocks`. WebSocket: `broadcast_tx_async`, NewBlockHeader and `block`. */
  readonly wire: "grpc" | "websocket";
  /** Payloads of 256 bytes in one transaction. */
  readonly payloadsPerItem: number;
  /** Payloads per second; undefined: as many as the bound on what is outstanding lets through. */
  readonly rate: number | undefined;
  /** Transactions submitted and not committed yet, where there is no rate. */
  readonly outstandingItemsMax: number;
}

type Shape = Omit<Scenario, "name" | "outstandingItemsMax">;

function scenario(shape: Shape): Scenario {
  const { subject, wire, payloadsPerItem, rate } = shape;
  const load = rate === undefined ? "saturated" : `${rate}/s`;
  const size =
    payloadsPerItem === 1
      ? "single"
      : subject === "cometbft+kvstore"
        ? `values of ${payloadsPerItem * PAYLOAD_BYTES}`
        : `batches of ${payloadsPerItem}`;
  return {
    ...shape,
    name: `${subject}, ${size}, ${wire}, ${load}`,
    outstandingItemsMax: payloadsPerItem === 1 ? OUTSTANDING_SINGLES : OUTSTANDING_BATCHES,
  };
}

const KVSTORE = { subject: "cometbft+kvstore", wire: "websocket" } as const;
const COMET_WEFT = { subject: "cometbft+weft", wire: "websocket" } as const;
const WEFT = { subject: "weft", wire: "grpc" } as const;
const WEFT_WEBSOCKET = { subject: "weft", wire: "websocket" } as const;
const SATURATED = { payloadsPerItem: 1, rate: undefined };
const LIGHT = { payloadsPerItem: 1, rate: LIGHT_RATE };
const LOW = { payloadsPerItem: 1, rate: LOW_RATE };
const BATCHES = { payloadsPerItem: 100, rate: undefined };
const LIGHT_BATCHES = { payloadsPerItem: 100, rate: LIGHT_RATE };

/** The scenarios that the ratios are made of, by the name they have there. */
export const KEY = {
  kvstoreSingle: scenario({ ...KVSTORE, ...SATURATED }),
  kvstoreLight: scenario({ ...KVSTORE, ...LIGHT }),
  kvstoreLow: scenario({ ...KVSTORE, ...LOW }),
  kvstoreLargeValues: scenario({ ...KVSTORE, ...BATCHES }),
  weftSingle: scenario({ ...WEFT, ...SATURATED }),
  weftSingleWebSocket: scenario({ ...WEFT_WEBSOCKET, ...SATURATED }),
  weftBatch100: scenario({ ...WEFT, ...BATCHES }),
  weftLight: scenario({ ...WEFT, ...LIGHT }),
  weftLightWebSocket: scenario({ ...WEFT_WEBSOCKET, ...LIGHT }),
  weftLow: scenario({ ...WEFT, ...LOW }),
  weftLightBatch100: scenario({ ...WEFT, ...LIGHT_BATCHES }),
} as const;

/** What the three ratios are made of. */
export const SHORT: readonly Scenario[] = [
  KEY.kvstoreSingle,
  KEY.weftSingleWebSocket,
  KEY.weftBatch100,
  KEY.kvstoreLight,
  KEY.weftLightWebSocket,
];

export const FULL: readonly Scenario[] = [
  ...SHORT,
  KEY.weftSingle,
  KEY.kvstoreLargeValues,
  KEY.weftLight,
  KEY.weftLightBatch100,
  KEY.kvstoreLow,
  KEY.weftLow,
  scenario({ ...COMET_WEFT, ...SATURATED }),
  scenario({ ...COMET_WEFT, ...BATCHES }),
  scenario({ ...COMET_WEFT, ...LIGHT }),
];
