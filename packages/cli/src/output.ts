import pc from "picocolors";
import type { Logger as JsonLog } from "pino";
import type { ExecutionState, Logger } from "pawl";
import type { GlobalFlags } from "./global-options.ts";
import { isLogged, type LogLevel } from "./log-options.ts";
import { jsonText, printable } from "./printable.ts";

/** As the options of the command line want it. */
export async function openOutput(flags: GlobalFlags): Promise<Output> {
  const json = flags.json === true;
  if (flags.logFormat !== "json") return new Output(json, flags.logLevel ?? "warn", undefined);
  const { jsonLog } = await import("./json-log.ts");
  return new Output(json, flags.logLevel ?? "info", jsonLog(flags.logLevel ?? "info"));
}

/** How a command speaks: JSON for programs or text for people, results on stdout, remarks and its log on stderr. */
export class Output {
  readonly json: boolean;
  /** Where stderr is a log of JSON lines, the log: nothing else is written there then. */
  readonly log: JsonLog | undefined;
  readonly #logLevel: LogLevel;
  readonly paint: ReturnType<typeof pc.createColors>;
  /** Width to fit lines into; undefined where nobody looks, so that nothing is cut off in files and pipes. */
  readonly width: number | undefined;

  constructor(json: boolean, logLevel: LogLevel, log: JsonLog | undefined) {
    this.json = json;
    this.log = log;
    this.#logLevel = logLevel;
    this.paint = pc.createColors(!json && wantsColors(process.stdout));
    // Some terminals say 0.
    this.width = (process.stdout.isTTY && process.stdout.columns) || undefined;
  }

  /** One line of JSON on stdout. */
  value(value: unknown): void {
    process.stdout.write(`${jsonText(value)}\n`);
  }

  /** Text on stdout; whoever calls has made what is foreign in it printable. */
  lines(lines: readonly string[]): void {
    if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
  }

  /** A remark for people, on stderr, so that stdout holds only results. */
  remark(text: string): void {
    if (this.log !== undefined) this.log.info(text);
    // A progress line may stand there.
    else if (!this.json) process.stderr.write(`${process.stderr.isTTY ? "\r\u001b[K" : ""}${printable(text)}\n`);
  }

  /** Whether a person may look at stderr, for a line that is drawn again and again. */
  get canRedraw(): boolean {
    return !this.json && this.log === undefined && process.stderr.isTTY;
  }

  /** For what the library, steps and workflow code say. */
  get logger(): Logger {
    if (this.log !== undefined) return this.log;
    const writer =
      (level: "info" | "warn" | "error", name: string) =>
      (message: string): void => {
        if (!isLogged(level, this.#logLevel)) return;
        process.stderr.write(this.json ? `${jsonText({ level: name, message })}\n` : `${name}: ${printable(message)}\n`);
      };
    return { info: writer("info", "info"), warn: writer("warn", "warning"), error: writer("error", "error") };
  }

  state(text: string, state: ExecutionState): string {
    const { green, red, yellow, cyan, blue, dim } = this.paint;
    switch (state) {
      case "completed":
        return green(text);
      case "failed":
      case "timed_out":
      case "quarantined":
        return red(text);
      case "cancelled":
      case "terminated":
      case "paused":
        return yellow(text);
      case "running":
        return cyan(text);
      case "pending":
        return blue(text);
      default:
        return dim(text);
    }
  }
}

/** https://no-color.org: any value but the empty one turns colours off; FORCE_COLOR turns them on where nobody looks. */
function wantsColors(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR !== undefined && NO_COLOR !== "") return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== "") return FORCE_COLOR !== "0";
  // Undefined where there is no terminal, whatever the type says; picocolors would then decide for itself.
  return (stream.isTTY as boolean | undefined) === true && TERM !== "dumb";
}
