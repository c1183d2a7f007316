import { expect, test } from "vitest";
import { Closed } from "../base/errors.ts";
import { silentLogger } from "../base/logger.ts";
import { nodeRuntime } from "../base/node-runtime.ts";
import { TransactionGateway } from "./gateway.ts";
import type { Connections } from "./transaction.ts";

test("many transactions wait out an outage without a warning of Node's", async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on("warning", onWarning);
  let isDown = true;
  const connections = {
    run: () => (isDown ? Promise.reject(Object.assign(new Error("refused"), { code: "ECONNREFUSED" })) : Promise.resolve([{ a: 1 }])),
  } as unknown as Connections;
  const gateway = new TransactionGateway(connections, { logger: silentLogger, runtime: nodeRuntime });
  const sends = Array.from({ length: 30 }, () => gateway.run({ name: "any", text: "SELECT 1", parameters: [] }));
  // Long enough for each to wait at least once.
  await new Promise((resolve) => setTimeout(resolve, 50));
  isDown = false;
  await expect(Promise.all(sends)).resolves.toHaveLength(30);
  process.off("warning", onWarning);
  expect(warnings).toEqual([]);
});

test("what is on its way when the store closes, and what comes later, ends with Closed, whatever the connections say", async () => {
  let fail!: (error: Error) => void;
  let attempts = 0;
  const run = (): Promise<never> => {
    attempts++;
    return new Promise((_, reject) => (fail = reject));
  };
  const gateway = new TransactionGateway({ run } as unknown as Connections, { logger: silentLogger, runtime: nodeRuntime });
  const send = (): Promise<unknown> => gateway.run({ name: "any", text: "SELECT 1", parameters: [] });
  const underWay = send();
  gateway.close();
  fail(new Error("Cannot use a pool after calling end on the pool"));
  await expect(underWay).rejects.toBeInstanceOf(Closed);
  await expect(send()).rejects.toBeInstanceOf(Closed);
  await expect(gateway.read("any", run)).rejects.toBeInstanceOf(Closed);
  expect(attempts).toBe(1);
});
