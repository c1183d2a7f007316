import { InvalidArgumentError, type Command } from "commander";
import { addLogOptions, type LogFlags } from "./log-options.ts";

/** What every command takes, before or after its name. */
export interface GlobalFlags extends LogFlags {
  readonly url?: string;
  readonly dir?: string;
  readonly schema?: string;
  readonly namespace?: string;
  readonly json?: boolean;
  readonly debug?: boolean;
}

export function addGlobalOptions(command: Command): Command {
  command
    .optionsGroup("Global options:")
    .option("--url <url>", "PostgreSQL to use (DATABASE_URL, else the embedded one)")
    .option("--dir <directory>", 'directory of the embedded PostgreSQL (".pawl")')
    .option("--schema <name>", 'PostgreSQL schema of Pawl\'s tables ("pawl")')
    .option("--namespace <name>", 'namespace of executions and workers ("default")')
    .option("--json", "print JSON, for programs")
    .option("--debug", "print the stack of errors");
  return addLogOptions(command);
}

/** The help text's examples: each a command line and what it is for. */
export function examples(lines: readonly (readonly [command: string, purpose: string])[]): string {
  return `\nExamples:\n${lines.map(([command, purpose]) => `  # ${purpose}\n  ${command}`).join("\n")}`;
}

/** For options that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

export function wholeNumber(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(value);
}
