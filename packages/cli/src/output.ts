import pc from "picocolors";
import type { ExecutionState, Logger } from "pawl";
import { jsonText, printable } from "./printable.ts";

/** How a command speaks: JSON for programs or text for people, results on stdout, remarks on stderr. */
export class Output {
  readonly json: boolean;
  readonly paint: ReturnType<typeof pc.createColors>;
  /** Width to fit lines into; undefined where nobody looks, so that nothing is cut off in files and pipes. */
  readonly width: number | undefined;

  constructor(json: boolean) {
    this.json = json;
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
    // A progress line may stand there.
    if (!this.json) process.stderr.write(`${process.stderr.isTTY ? "\r\u001b[K" : ""}${printable(text)}\n`);
  }

  /** What the library warns of. */
  get logger(): Logger {
    const write = (level: string, message: string): void => {
      process.stderr.write(this.json ? `${jsonText({ level, message })}\n` : `${level}: ${printable(message)}\n`);
    };
    return { info: () => {}, warn: (message) => write("warning", message), error: (message) => write("error", message) };
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
