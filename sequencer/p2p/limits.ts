/** Limits of the transport (spec §16, §20). */
export const PACKET_PAYLOAD_BYTES_MAX = 1_024;
