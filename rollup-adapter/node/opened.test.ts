import { describe, expect, test } from "vitest";
import { createOpened, openOrClose } from "./opened.ts";

describe("what a node has opened", () => {
  test("is closed the newest first, and once", async () => {
    const closed: string[] = [];
    const opened = createOpened();
    opened.keep({ close: () => closed.push("journal") });
    for (const name of ["clients", "driver"]) opened.add(() => closed.push(name));
    await opened.close();
    await opened.close();
    expect(closed).toEqual(["driver", "clients", "journal"]);
  });

  test("is closed to the end when one of them cannot be closed", async () => {
    const closed: string[] = [];
    const opened = createOpened();
    opened.add(() => closed.push("journal"));
    opened.add(() => Promise.reject(new Error("disk is away")));
    opened.add(() => closed.push("driver"));
    await expect(opened.close()).rejects.toThrow("disk is away");
    expect(closed).toEqual(["driver", "journal"]);
  });

  test("stays open after a start, and is closed when the start fails, which says why", async () => {
    const closed: string[] = [];
    await openOrClose((opened) => {
      opened.add(() => closed.push("of the first"));
      return Promise.resolve("a node");
    });
    expect(closed).toEqual([]);
    const failing = openOrClose((opened) => {
      opened.add(() => closed.push("of the second"));
      opened.add(() => Promise.reject(new Error("not closed")));
      return Promise.reject(new Error("port is taken"));
    });
    await expect(failing).rejects.toThrow("port is taken");
    expect(closed).toEqual(["of the second"]);
  });
});
