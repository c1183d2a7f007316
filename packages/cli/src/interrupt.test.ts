import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Interrupted } from "./failures.ts";
import { Interrupt } from "./interrupt.ts";

let interrupt: Interrupt;

beforeEach(() => {
  interrupt = new Interrupt();
});

afterEach(() => interrupt.dispose());

/** Something that is opened, or not, when it is told to, and says whether it was closed. */
function something() {
  let succeed!: () => void;
  let fail!: (reason: Error) => void;
  const opening = new Promise<string>((resolve, reject) => {
    succeed = () => resolve("opened");
    fail = reject;
  });
  const closed: string[] = [];
  return { opening, closed, succeed, fail, close: async (opened: string) => void closed.push(opened) };
}

/** What it throws. */
function problemOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function hangUp(): Promise<void> {
  const heard = once(process, "SIGHUP");
  process.kill(process.pid, "SIGHUP");
  await heard;
}

describe("a signal while something is being opened", () => {
  test("ends the opening with its exit code, and closes what is open in time", async () => {
    const { opening, closed, succeed, close } = something();
    const outcome = problemOf(interrupt.open(opening, { close, withinMs: 60_000 }));
    await hangUp();
    succeed();
    expect(await outcome).toMatchObject({ exitCode: 129 });
    expect(closed).toEqual(["opened"]);
  });

  test("does not wait for ever for what does not open", async () => {
    const { opening, closed, close } = something();
    const outcome = problemOf(interrupt.open(opening, { close, withinMs: 5 }));
    await hangUp();
    expect(await outcome).toBeInstanceOf(Interrupted);
    expect(closed).toEqual([]);
  });

  test("is what is told of, not that opening failed after it", async () => {
    const { opening, fail, close } = something();
    const outcome = problemOf(interrupt.open(opening, { close, withinMs: 60_000 }));
    await hangUp();
    fail(new Error("initdb got the same Ctrl-C"));
    expect(await outcome).toBeInstanceOf(Interrupted);
  });
});

test("without a signal opening gives what it gives", async () => {
  const [good, bad] = [something(), something()];
  good.succeed();
  bad.fail(new Error("no"));
  expect(await interrupt.open(good.opening, { close: good.close, withinMs: 0 })).toBe("opened");
  await expect(interrupt.open(bad.opening, { close: bad.close, withinMs: 0 })).rejects.toThrow("no");
  expect(good.closed).toEqual([]);
});
