import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { KvApplication } from "../../test/support/kv-application.ts";
import { createApplicationGate } from "./application-gate.ts";

const TX = { tx: utf8ToBytes("a=1"), type: "new" as const };

/** An application whose calls end when the test says so. */
class SlowApplication extends KvApplication {
  readonly log: string[] = [];
  readonly #ends = new Map<string, () => void>();

  constructor() {
    super({ path: undefined });
  }

  end(name: string): void {
    this.#ends.get(name)?.();
  }

  override async commit() {
    await this.#wait("commit");
    return { retainHeight: Height(0) };
  }

  override async checkTx(request: typeof TX) {
    await this.#wait("checkTx");
    return super.checkTx(request);
  }

  async #wait(name: string): Promise<void> {
    this.log.push(`${name} began`);
    await new Promise<void>((resolve) => this.#ends.set(name, resolve));
    this.log.push(`${name} ended`);
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("application gate", () => {
  test("consensus calls run one after the other, in the order asked for", async () => {
    const gate = createApplicationGate(new KvApplication({ path: undefined }));
    const log: string[] = [];
    const call = (name: string) =>
      gate.call(name, async () => {
        log.push(`${name} began`);
        await turn();
        log.push(`${name} ended`);
      });
    await Promise.all([call("A"), call("B")]);
    expect(log).toEqual(["A began", "A ended", "B began", "B ended"]);
  });

  test("CheckTx under way ends before Commit begins, a new one waits for its end", async () => {
    const application = new SlowApplication();
    const gate = createApplicationGate(application);
    const first = gate.checkTx(TX);
    const commit = gate.commit();
    await turn();
    const second = gate.checkTx(TX);
    await turn();
    expect(application.log).toEqual(["checkTx began"]);
    application.end("checkTx");
    await first;
    await turn();
    expect(application.log).toEqual(["checkTx began", "checkTx ended", "commit began"]);
    application.end("commit");
    await commit;
    await turn();
    application.end("checkTx");
    expect((await second).code).toBe(0);
    expect(application.log.slice(3)).toEqual(["commit ended", "checkTx began", "checkTx ended"]);
  });

  test("no fence for an application that admits CheckTx during Commit", async () => {
    const application = Object.assign(new SlowApplication(), { checksDuringCommit: true });
    const gate = createApplicationGate(application);
    const check = gate.checkTx(TX);
    const commit = gate.commit();
    await turn();
    expect(application.log).toEqual(["checkTx began", "commit began"]);
    application.end("commit");
    await commit;
    application.end("checkTx");
    expect((await check).code).toBe(0);
  });

  test("a failure names the call, and later calls still run", async () => {
    const gate = createApplicationGate(new KvApplication({ path: undefined }));
    const failing = gate.call("ExtendVote", () => Promise.reject(new Error("disk full")));
    await expect(failing).rejects.toMatchObject({
      info: { code: "ABCI_APPLICATION", call: "ExtendVote" },
    });
    expect(
      await gate.call("Info", () => new KvApplication({ path: undefined }).info()),
    ).toMatchObject({
      data: "kv",
    });
  });
});
