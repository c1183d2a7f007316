import { expect, test } from "vitest";
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
