import { expect, test } from "vitest";
import { NULL_LOGGER } from "../ports/logger.ts";
import { createClosers } from "./closers.ts";

/** A start of three steps, the second of which waits until it is ended. */
function start() {
  const closers = createClosers(NULL_LOGGER);
  const done: string[] = [];
  const step = (name: string) => closers.push(() => void done.push(`closed ${name}`));
  let endWait: (error: Error) => void = () => {};
  const waited = new Promise<void>((_, reject) => (endWait = reject));
  const started = closers.guard(async () => {
    step("first");
    await closers.wait(
      () => waited,
      () => {
        done.push("ended the wait");
        endWait(new Error("ended"));
      },
    );
    step("second");
  });
  return { closers, started, done };
}

test("what is stopped while it starts ends its wait, starts no more, and closes what it had", async () => {
  const { closers, started, done } = start();
  const [end] = await Promise.allSettled([started, closers.closeAll()]);
  expect(end).toMatchObject({ status: "rejected", reason: { message: "ended" } });
  expect(done).toEqual(["ended the wait", "closed first"]);
});

test("a start goes no further than its next step once it is stopped, which is closed too", async () => {
  const closers = createClosers(NULL_LOGGER);
  const done: string[] = [];
  let goOn: () => void = () => {};
  const replayed = new Promise<void>((resolve) => (goOn = resolve));
  const started = closers.guard(async () => {
    await replayed;
    closers.push(() => void done.push("closed"));
    done.push("started");
  });
  const stopped = closers.closeAll();
  expect(done).toEqual([]);
  goOn();
  const [end] = await Promise.allSettled([started, stopped]);
  expect(end).toMatchObject({ reason: { message: "the node was stopped while it started" } });
  expect(done).toEqual(["closed"]);
});

test("whoever stops a start is told what could not be closed, each of them", async () => {
  const closers = createClosers(NULL_LOGGER);
  const started = closers.guard(async () => {
    closers.push(() => Promise.reject(new Error("the lock stays")));
    await new Promise(setImmediate);
    closers.push(() => {});
  });
  const ends = await Promise.allSettled([started, closers.closeAll(), closers.closeAll()]);
  const reasons = ends.map((end) => (end.status === "rejected" ? String(end.reason) : "none"));
  expect(reasons).toEqual([
    "Error: the node was stopped while it started",
    "Error: the lock stays",
    "Error: the lock stays",
  ]);
});

test("in the reverse order, whatever fails on the way; a wait that is over is not ended", async () => {
  const closers = createClosers(NULL_LOGGER);
  const done: string[] = [];
  await closers.guard(async () => {
    closers.push(() => void done.push("first"));
    await closers.wait(
      async () => {},
      () => void done.push("ended the wait"),
    );
    closers.push(() => Promise.reject(new Error("the second fails")));
    closers.push(() => void done.push("third"));
  });
  await expect(closers.closeAll()).rejects.toThrow("the second fails");
  expect(done).toEqual(["third", "first"]);
});
