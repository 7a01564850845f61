/** Calls of JSON-RPC over HTTP, as far as they do not depend on what is asked: the request, and an answer of bounded size. */

export interface PostOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Rejects as `fetch` does, also for a redirection: elsewhere than the operator says there is nothing to ask. */
export function postJson(url: string, body: string, options: PostOptions): Promise<Response> {
  const { headers, signal } = options;
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
    redirect: "error",
    signal,
  });
}

/**
 * What came, as UTF-8.
 * @param taken told how many bytes each chunk has; what it throws ends the reading
 */
export async function readText(
  { body }: Response,
  taken: (bytes: number) => void,
): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body ?? []) {
    if (!(chunk instanceof Uint8Array)) continue;
    taken(chunk.length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
