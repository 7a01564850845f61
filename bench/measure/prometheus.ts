/** Reads counters from a node's metrics page. */

/** Values of one metric by the value of one of its labels, summed over the others. */
export function sumByLabel(
  page: string,
  metric: string,
  label: string,
): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  const labelPattern = new RegExp(`[{,]${label}="([^"]*)"`);
  for (const line of page.split("\n")) {
    if (!line.startsWith(`${metric}{`)) continue;
    const name = labelPattern.exec(line)?.[1];
    if (name === undefined) continue;
    sums[name] = (sums[name] ?? 0) + Number(line.slice(line.lastIndexOf(" ") + 1));
  }
  return sums;
}

/** Bytes that validators received from each other, by kind of message. */
export async function receivedBytes(
  metricsUrls: readonly string[],
): Promise<Readonly<Record<string, number>>> {
  const sums: Record<string, number> = {};
  for (const url of metricsUrls) {
    const page = await (await fetch(url)).text();
    const byType = sumByLabel(page, "cometbft_p2p_message_receive_bytes_total", "message_type");
    for (const [type, bytes] of Object.entries(byType)) sums[type] = (sums[type] ?? 0) + bytes;
  }
  return sums;
}

/** Batches of the arithmetic of sealed transactions by kind of work, over all validators. */
export interface SealWork {
  readonly batches: number;
  /** From asking to the answer, waiting for a thread included. */
  readonly seconds: number;
}

export async function sealWork(
  metricsUrls: readonly string[],
): Promise<Readonly<Record<string, SealWork>>> {
  const sums: Record<string, SealWork> = {};
  for (const url of metricsUrls) {
    const page = await (await fetch(url)).text();
    const batches = sumByLabel(page, "weft_seal_work_seconds_count", "work");
    for (const [work, seconds] of Object.entries(
      sumByLabel(page, "weft_seal_work_seconds_sum", "work"),
    )) {
      const before = sums[work] ?? { batches: 0, seconds: 0 };
      sums[work] = {
        batches: before.batches + (batches[work] ?? 0),
        seconds: before.seconds + seconds,
      };
    }
  }
  return sums;
}
