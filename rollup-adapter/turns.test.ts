import { expect, test } from "vitest";
import { createTurns } from "./turns.ts";

test("pieces of work have their turns one at a time, in order, whatever becomes of one", async () => {
  const turns = createTurns();
  const log: string[] = [];
  const piece = (name: string) => async () => {
    log.push(`${name} begins`);
    await Promise.resolve();
    log.push(`${name} ends`);
    return name;
  };
  const first = turns.take(piece("first"));
  const failing = turns.take(() => Promise.reject(new Error("the disk is full")));
  const last = turns.take(piece("last"));
  expect(turns.count()).toBe(3);
  await expect(failing).rejects.toThrow("the disk is full");
  expect(await Promise.all([first, last])).toEqual(["first", "last"]);
  expect(log).toEqual(["first begins", "first ends", "last begins", "last ends"]);
  expect(turns.count()).toBe(0);
});

test("it is done when all is that has come until then", async () => {
  const turns = createTurns();
  let isWritten = false;
  void turns.take(async () => {
    await Promise.resolve();
    isWritten = true;
  });
  await turns.done();
  expect(isWritten).toBe(true);
});
