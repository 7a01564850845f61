/** Rollups of a group, its leader included: winners are found exactly, and that takes time with the number of sets of them. */
export const GROUP_ROLLUPS_MAX = 12;
/** Rollups that one bid may be for. */
export const BID_LEGS_MAX = 4;
