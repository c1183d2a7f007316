import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { CaseArguments, CaseMessage, Values } from "./messages.ts";

/** Starts fresh processes for cases and sees to it that they end. */

const timeoutMs = 120_000;

export type Outcome = { readonly values: Values } | { readonly failure: string };

export async function runCaseProcess(args: CaseArguments, signal: AbortSignal): Promise<Outcome> {
  const child = fork(fileURLToPath(new URL("./case-process.js", import.meta.url)), [JSON.stringify(args)], {
    // A dependency's deprecation warnings, and what a system says when all is well, are no part of the report.
    execArgv: ["--no-deprecation"],
    stdio: ["ignore", "ignore", 2, "ipc"],
  });
  return await new Promise<Outcome>((resolve) => {
    let outcome: Outcome | undefined;
    // Its worker processes end when their channel to it closes.
    const stop = (failure: string): void => {
      outcome ??= { failure };
      child.kill("SIGKILL");
    };
    const onAbort = (): void => stop("interrupted");
    const timer = setTimeout(() => stop(`timed out after ${timeoutMs / 1000} s`), timeoutMs);
    signal.addEventListener("abort", onAbort, { once: true });
    child.on("message", (message: CaseMessage) => {
      outcome = message.type === "result" ? { values: message.values } : { failure: message.message };
    });
    child.on("exit", (code, killedBy) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      resolve(outcome ?? { failure: `the process ended without a result (${killedBy ?? `code ${code}`})` });
    });
  });
}
