/**
 * The program that tests run as a process of their own: opens the embedded PostgreSQL of a directory, reports as JSON
 * lines, and does what it is told on stdin.
 */
import { createInterface } from "node:readline";
import { openEmbedded } from "../embedded-postgres.ts";

const [directory = ".pawl"] = process.argv.slice(2);
const lines: string[] = [];
const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);

const began = performance.now();
try {
  const embedded = await openEmbedded({ directory, onProgress: (line) => lines.push(line) });
  const opened = { url: embedded.url, owner: embedded.owner, serverPid: embedded.serverPid };
  say({ ...opened, milliseconds: Math.round(performance.now() - began), progress: lines });
  for await (const command of createInterface({ input: process.stdin })) {
    if (command === "exit") process.exit(0);
    if (command === "throw") throw new Error("thrown as told");
    if (command === "ensure") {
      await embedded.ensureRunning();
      say({ serverPid: embedded.serverPid, url: embedded.url });
    }
    if (command === "close") {
      await embedded.close();
      break;
    }
  }
  process.stdin.destroy();
} catch (error) {
  say({ error: error instanceof Error ? { name: error.name, message: error.message } : { name: "unknown", message: String(error) } });
  throw error;
}
