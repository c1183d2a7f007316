import { Option, type Command } from "commander";

const logFormats = ["text", "json"] as const;
const logLevels = ["info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LogFlags {
  readonly logFormat?: (typeof logFormats)[number];
  readonly logLevel?: LogLevel;
}

export function addLogOptions(command: Command): Command {
  return command
    .addOption(new Option("--log-format <format>", 'what stderr is written in; json: one object per line ("text")').choices(logFormats))
    .addOption(new Option("--log-level <level>", 'the least that is logged ("warn"; with json "info")').choices(logLevels));
}

/** Whether a log in JSON is asked for, also where the command line cannot be parsed. */
export function asksForJsonLog(flags: readonly string[]): boolean {
  return flags.includes("--log-format=json") || flags.some((flag, index) => flag === "--log-format" && flags[index + 1] === "json");
}

/** Whether a line of this level is written. */
export function isLogged(level: Exclude<LogLevel, "silent">, least: LogLevel): boolean {
  return logLevels.indexOf(level) >= logLevels.indexOf(least);
}
