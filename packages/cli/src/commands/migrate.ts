import type { Command } from "commander";
import { migrateDatabase, type MigrationReport } from "pawl/internal";
import { withDatabase } from "../database.ts";
import { addGlobalOptions, examples } from "../global-options.ts";

export function addMigrateCommand(program: Command): void {
  const command = program
    .command("migrate")
    .summary("create or update the database schema")
    .description(
      "Creates Pawl's schema or brings it up to date; forward only, and safe while workers of the version before still run. Without --url and DATABASE_URL " +
        "it makes the embedded database.",
    )
    .option("--check", "change nothing; exit code 1 if the schema is not up to date")
    .addHelpText(
      "after",
      examples([
        ["pawl migrate --url postgres://admin@db/app", "before a deployment"],
        ["pawl migrate --check", "in a health check"],
      ]),
    )
    .action(async (flags: { readonly check?: boolean }, self: Command) => {
      const apply = flags.check !== true;
      await withDatabase(self, { create: apply }, async ({ place, output }) => {
        const report: MigrationReport = await migrateDatabase({ ...place, connectTimeoutMs: 5000, logger: output.logger }, apply);
        if (output.json) output.value({ schema: place.schema, ...report });
        else
          output.lines([
            `schema ${place.schema}: ${report.from === report.to ? `up to date, at migration ${report.to}` : `migrated from ${report.from} to ${report.to}`}`,
          ]);
      });
    });
  addGlobalOptions(command);
}
