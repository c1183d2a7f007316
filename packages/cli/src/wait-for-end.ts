import { fold, type ExecutionHandle, type ExecutionInfo, type ExecutionView, type Pawl } from "pawl";
import { between } from "./times.ts";
import { pawlCode } from "./failures.ts";
import type { Interrupt } from "./interrupt.ts";
import type { Output } from "./output.ts";
import { printable, shorten } from "./printable.ts";

export type End = { readonly result: unknown } | { readonly error: Error };

const endings: ReadonlySet<string> = new Set([
  "EXECUTION_FAILED",
  "EXECUTION_CANCELLED",
  "EXECUTION_TERMINATED",
  "EXECUTION_TIMED_OUT",
  "EXECUTION_QUARANTINED",
]);
const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const frameMs = 100;
const askMs = 300;

/** Waits for an execution; meanwhile a person at a terminal sees one line that tells where it is. */
export async function waitForEnd(
  { pawl, output, interrupt }: { readonly pawl: Pawl; readonly output: Output; readonly interrupt: Interrupt },
  handle: ExecutionHandle,
): Promise<End> {
  const progress = output.canRedraw ? new ProgressLine(pawl, handle) : undefined;
  try {
    return { result: await interrupt.race(handle.result()) };
  } catch (error) {
    if (error instanceof Error && endings.has(pawlCode(error) ?? "")) return { error };
    throw error;
  } finally {
    await progress?.stop();
  }
}

/** Redraws its line on stderr, from what the database says every moment. */
class ProgressLine {
  readonly #pawl: Pawl;
  readonly #handle: ExecutionHandle;
  readonly #startedAt = Date.now();
  readonly #frameTimer: NodeJS.Timeout;
  #asking: Promise<void> = Promise.resolve();
  #askTimer: NodeJS.Timeout | undefined;
  #stopped = false;
  #frame = 0;
  #text = "starting";
  #history: Parameters<typeof fold>[0] & { readonly length: number } = [];
  #runId: string | undefined;

  constructor(pawl: Pawl, handle: ExecutionHandle) {
    this.#pawl = pawl;
    this.#handle = handle;
    this.#frameTimer = setInterval(() => this.#draw(), frameMs);
    this.#askSoon(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#frameTimer);
    clearTimeout(this.#askTimer);
    await this.#asking;
    process.stderr.write("\r\u001b[K");
  }

  #askSoon(inMs: number): void {
    if (this.#stopped) return;
    this.#askTimer = setTimeout(() => {
      this.#asking = this.#ask()
        // Waiting for the result tells what is wrong, if something is.
        .catch(() => {})
        .then(() => this.#askSoon(askMs));
    }, inMs);
  }

  async #ask(): Promise<void> {
    const status = await this.#handle.status();
    if (status.runId !== this.#runId) this.#history = [];
    this.#runId = status.runId;
    if (status.events > this.#history.length) {
      const more = await this.#pawl.store.history(status.runId, this.#history.length, 1000);
      this.#history = [...this.#history, ...more];
    }
    this.#text = whereItIs(status, fold(this.#history));
  }

  #draw(): void {
    this.#frame = (this.#frame + 1) % frames.length;
    const line = `${frames[this.#frame]} ${this.#text} · ${between(this.#startedAt, null)}`;
    process.stderr.write(`\r${shorten(printable(line), (process.stderr.columns || 80) - 1)}\u001b[K`);
  }
}

function whereItIs(status: ExecutionInfo, view: ExecutionView): string {
  const done = view.steps.filter(({ state }) => state === "completed").length;
  const running = view.steps.filter(({ state }) => state === "running").map(({ name, attempt }) => (attempt === 1 ? name : `${name} (attempt ${attempt})`));
  const now = status.waitingFor !== null ? `waiting for ${status.waitingFor}` : running.length > 0 ? running.slice(0, 3).join(", ") : status.state;
  return `${done} ${done === 1 ? "step" : "steps"} done · ${now}`;
}
