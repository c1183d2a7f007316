import { expect, test } from "vitest";
import type { OutsideMessage, Receipt } from "../store/store.ts";
import { MessageSender } from "./message-sender.ts";

const messageTo = (executionId: string, messageId: string, data = ""): OutsideMessage => ({ executionId, messageId, type: "SignalReceived", data });

/** A sender, and what it has put into each batch. */
function sender() {
  const batches: string[][] = [];
  const store = {
    sendMessages: async (_namespace: string, messages: readonly OutsideMessage[]) => {
      batches.push(messages.map(({ messageId }) => messageId));
      return new Map(messages.map(({ executionId }) => [executionId, { runId: executionId, state: "running" } satisfies Receipt]));
    },
    hasReceived: async () => false,
  };
  return { sender: new MessageSender(store, "n"), batches };
}

const ready = (send: () => Promise<void>): Promise<() => Promise<void>> => Promise.resolve(send);

test("a batch holds no more than some 16 MB, and all of them together are in the order in which they were sent", async () => {
  const { sender: sent, batches } = sender();
  const megabyte = "x".repeat(1024 * 1024);
  const ids = Array.from({ length: 60 }, (_, index) => `m${index}`);
  await Promise.all(ids.map((id) => sent.send(messageTo("e", id, megabyte))));
  expect(batches.flat()).toEqual(ids);
  expect(Math.max(...batches.map(({ length }) => length))).toBe(16);
});

test("what waits for one execution holds up none of the others, and each of them gets everything in order", async () => {
  const { sender: sent, batches } = sender();
  const order: string[] = [];
  let letGo!: () => void;
  const opened = new Promise<void>((resolve) => (letGo = resolve));
  const noted = (name: string, sending: Promise<unknown>) => sending.then(() => void order.push(name));
  const slow = sent.sendBy(
    "slow",
    ready(() => opened),
  );
  const later = [
    noted("slow 1", sent.send(messageTo("slow", "slow 1"))),
    noted(
      "slow 2",
      sent.sendBy(
        "slow",
        ready(async () => {}),
      ),
    ),
    noted("slow 3", sent.send(messageTo("slow", "slow 3"))),
  ];
  await noted("other 1", sent.send(messageTo("other", "other 1")));
  await noted(
    "other 2",
    sent.sendBy(
      "other",
      ready(async () => {}),
    ),
  );
  await noted("other 3", sent.send(messageTo("other", "other 3")));
  expect(batches).toEqual([["other 1"], ["other 3"]]);
  letGo();
  await Promise.all([slow, ...later]);
  expect(order).toEqual(["other 1", "other 2", "other 3", "slow 1", "slow 2", "slow 3"]);
});
