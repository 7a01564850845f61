/** The four channels of the consensus reactor (spec §17.1). */
import type { ChannelDescriptor } from "../reactor.ts";

const CONSENSUS_MESSAGE_BYTES_MAX = 1 << 20;

export const STATE_CHANNEL: ChannelDescriptor = {
  id: 0x20,
  name: "consensus_state",
  priority: 6,
  sendQueueMessagesMax: 100,
  receiveMessageBytesMax: CONSENSUS_MESSAGE_BYTES_MAX,
};
export const DATA_CHANNEL: ChannelDescriptor = {
  id: 0x21,
  name: "consensus_data",
  priority: 10,
  sendQueueMessagesMax: 100,
  receiveMessageBytesMax: CONSENSUS_MESSAGE_BYTES_MAX,
};
export const VOTE_CHANNEL: ChannelDescriptor = {
  id: 0x22,
  name: "consensus_vote",
  priority: 7,
  sendQueueMessagesMax: 100,
  receiveMessageBytesMax: CONSENSUS_MESSAGE_BYTES_MAX,
};
export const VOTE_SET_BITS_CHANNEL: ChannelDescriptor = {
  id: 0x23,
  name: "consensus_vote_set_bits",
  priority: 1,
  sendQueueMessagesMax: 2,
  receiveMessageBytesMax: CONSENSUS_MESSAGE_BYTES_MAX,
};
