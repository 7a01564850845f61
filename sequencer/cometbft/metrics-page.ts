/** CometBFT's metrics, and two pages of Prometheus' text format as one. */
import http from "node:http";
import { METRICS_BYTES_MAX, METRICS_TIMEOUT_MS } from "./limits.ts";

/** CometBFT's own page. Rejects when it does not come whole, in time and in size. */
export function readMetricsPage(place: {
  readonly host: string;
  readonly port: number;
}): Promise<string> {
  const signal = AbortSignal.timeout(METRICS_TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    const request = http.get({ ...place, path: "/metrics", signal }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        chunks.push(chunk);
        if (bytes > METRICS_BYTES_MAX) {
          response.destroy(new Error(`a page of more than ${METRICS_BYTES_MAX} bytes`));
        }
      });
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks, bytes).toString("utf8"));
        else reject(new Error(`HTTP status ${response.statusCode ?? "?"}`));
      });
    });
    request.on("error", reject);
  });
}

/**
 * Our page with CometBFT's: what both have is CometBFT's, for that is where it happens. What its Go runtime
 * says of its process is named `cometbft_process_...`, so that it does not hide what ours says of this one.
 */
export function mergeMetricsPages(ours: string, theirs: string): string {
  const renamed = theirs.replace(
    /^(# (?:HELP|TYPE) )?(process_[a-z_]+)/gm,
    (_all, comment: string | undefined, name: string) => `${comment ?? ""}cometbft_${name}`,
  );
  const names = new Set<string>();
  for (const match of renamed.matchAll(/^# TYPE (\S+)/gm)) names.add(match[1] ?? "");
  const kept: string[] = [];
  let isKept = true;
  for (const line of ours.split("\n")) {
    const family = /^# (?:HELP|TYPE) (\S+)/.exec(line)?.[1];
    if (family !== undefined) isKept = !names.has(family);
    if (isKept) kept.push(line);
  }
  return `${kept.join("\n").trimEnd()}\n${renamed.trimEnd()}\n`;
}
