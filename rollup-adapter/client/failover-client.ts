/** Several sequencer nodes as one, for calls that any of them can answer. */
import { isWeftError } from "../../proto/errors.ts";
import type { SequencerClient } from "./sequencer-client.ts";

/** What a gateway needs of a sequencer. */
export type SubmitClient = Pick<SequencerClient, "chainInfo" | "sealKey" | "submit">;

/**
 * Stays with one node as long as it answers and is up with the chain, else goes on to the next. A
 * submission that is sent to a second node after the first did not answer is the same transaction there.
 *
 * @throws the failure of the last node, when none answers
 */
export function createFailoverClient(clients: readonly SubmitClient[]): SubmitClient {
  let current = 0;

  async function first<T>(
    call: (client: SubmitClient) => Promise<T>,
    isGood: (answer: T) => boolean,
  ): Promise<T> {
    let fallback: { readonly answer: T } | undefined;
    let failure: unknown = new RangeError("expected at least one sequencer node");
    for (let i = 0; i < clients.length; i++) {
      const at = current;
      const client = clients[at];
      if (client === undefined) break;
      try {
        const answer = await call(client);
        if (isGood(answer)) return answer;
        fallback ??= { answer };
      } catch (error) {
        if (!isWeftError(error) || error.code !== "SEQUENCER_CALL_FAILED") throw error;
        failure = error;
      }
      // Unless another call has gone on already.
      if (current === at) current = (at + 1) % clients.length;
    }
    if (fallback !== undefined) return fallback.answer;
    throw failure;
  }

  return {
    chainInfo: () =>
      first(
        (client) => client.chainInfo(),
        (info) => !info.isCatchingUp,
      ),
    sealKey: (number) =>
      first(
        (client) => client.sealKey(number),
        () => true,
      ),
    submit: (item) =>
      first(
        (client) => client.submit(item),
        () => true,
      ),
  };
}
