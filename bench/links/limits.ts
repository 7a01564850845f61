/** Bounds of the emulated network. */
export const NODES_MAX = 32;
/** Bytes of an IP packet on the emulated links, so that its envelope fits the wire below. */
export const ETHERNET_MTU = 1_450;
export const VXLAN_ID = 7;
export const VXLAN_PORT = 4_789;
/** Frames under way on one link; a further one is lost, as in a router's queue. */
export const LINK_QUEUE_FRAMES_MAX = 20_000;
