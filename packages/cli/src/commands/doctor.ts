import type { Command } from "commander";
import { withDatabase } from "../database.ts";
import { examine } from "../doctor/examine.ts";
import { failureCheck, nodeCheck, type Check } from "../doctor/checks.ts";
import { Interrupted } from "../failures.ts";
import { addGlobalOptions, examples } from "../global-options.ts";
import { openOutput, type Output } from "../output.ts";
import { printable } from "../printable.ts";
import type { GlobalFlags } from "../global-options.ts";

export function addDoctorCommand(program: Command): void {
  const command = program
    .command("doctor")
    .summary("check the database, the workers, and that everything wakes")
    .description(
      "Checks this machine, the database and its settings, the schema, the workers, and that every unfinished execution has a reason to wake. " +
        "Changes nothing. Exit code 1 if a check fails; warnings do not count.",
    )
    .addHelpText(
      "after",
      examples([
        ["pawl doctor", "is everything all right?"],
        ["pawl doctor --json | jq '.checks[] | select(.status != \"ok\")'", "for monitoring"],
      ]),
    )
    .action(async (_flags: object, self: Command) => {
      const checks: Check[] = [nodeCheck(process.versions.node)];
      try {
        await withDatabase(self, { create: false }, async ({ place, flags, output }) => {
          checks.push(...(await examine(place, flags.namespace ?? "default", output.logger)));
        });
      } catch (error) {
        if (error instanceof Interrupted) throw error;
        checks.push(failureCheck(error));
      }
      report(checks, await openOutput(self.optsWithGlobals<GlobalFlags>()));
    });
  addGlobalOptions(command);
}

function report(checks: readonly Check[], output: Output): void {
  const ok = checks.every(({ status }) => status !== "fail");
  if (!ok) process.exitCode = 1;
  if (output.json) return output.value({ ok, checks });
  const { green, yellow, red, dim } = output.paint;
  const paint = { ok: green, warn: yellow, fail: red };
  const width = Math.max(...checks.map(({ name }) => name.length));
  for (const { name, status, detail, next } of checks) {
    output.lines([`${paint[status](status.padEnd(4))}  ${name.padEnd(width)}  ${printable(detail)}`]);
    if (next !== null) output.lines([`${" ".repeat(width + 8)}${dim(printable(`→ ${next}`))}`]);
  }
}
