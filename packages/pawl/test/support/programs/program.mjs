/** What all programs share: options from the environment, reports to the fourth channel, commands from stdin. */
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";

/** Each program says what its options are. @type {unknown} */
export const options = JSON.parse(process.env["PROGRAM_OPTIONS"] ?? "{}");

/** Written synchronously: nothing reported is lost by a kill. @param {string} event @param {Record<string, unknown>} [fields] */
export function report(event, fields = {}) {
  writeSync(3, `${JSON.stringify({ event, ...fields })}\n`);
}

/**
 * Answers commands with a report of the same name.
 *
 * @param {Record<string, (fields: Record<string, unknown>) => Promise<Record<string, unknown> | void> | Record<string, unknown> | void>} commands
 */
export function serve(commands) {
  createInterface({ input: process.stdin }).on("line", (line) => {
    const { command, ...fields } = JSON.parse(line);
    const handler = commands[command];
    if (handler === undefined) throw new Error(`no command ${command}`);
    void Promise.resolve(handler(fields)).then((answer) => report(command, answer ?? {}));
  });
}
