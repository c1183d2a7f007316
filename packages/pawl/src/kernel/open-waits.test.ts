import { expect, test } from "vitest";
import type { Event } from "./event.ts";
import { openWaits } from "./open-waits.ts";

const wait = (position: number, signal?: string): Event => ({ type: "WaitStarted", position, ...(signal === undefined ? {} : { signal }) });
const signal = (name: string): Event => ({ type: "SignalReceived", signalId: name, name, payload: { value: 1 } });

test("a signal ends the first wait for its name", () => {
  expect([...openWaits([wait(3, "a"), wait(1, "a"), wait(2, "b"), signal("a")])]).toEqual([
    [3, "a"],
    [2, "b"],
  ]);
});

test("waits end when their time is over, and all of them with a cancel request", () => {
  expect(openWaits([wait(1, "a"), wait(2), { type: "WaitTimedOut", position: 1 }])).toEqual(new Map([[2, undefined]]));
  expect(openWaits([wait(1, "a"), wait(2), { type: "CancelRequested" }, wait(3, "clean")])).toEqual(new Map([[3, "clean"]]));
});

test("signals that came before a wait do not end it", () => {
  expect(openWaits([signal("a"), wait(1, "a")]).size).toBe(1);
});
