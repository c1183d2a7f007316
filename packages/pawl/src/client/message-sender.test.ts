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
  };
  return { sender: new MessageSender(store, "n"), batches };
}

test("a batch holds no more than some 16 MB, and all of them together are in the order in which they were sent", async () => {
  const { sender: sent, batches } = sender();
  const megabyte = "x".repeat(1024 * 1024);
  const ids = Array.from({ length: 60 }, (_, index) => `m${index}`);
  await Promise.all(ids.map((id) => sent.send(messageTo("e", id, megabyte))));
  expect(batches.flat()).toEqual(ids);
  expect(Math.max(...batches.map(({ length }) => length))).toBe(16);
});
