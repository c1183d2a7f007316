import { createRequire } from "node:module";
import { Command } from "commander";
import { addBulkCommand } from "./commands/bulk.ts";
import { addCancelCommand } from "./commands/cancel.ts";
import { addCheckpointsCommand } from "./commands/checkpoints.ts";
import { addCountCommand } from "./commands/count.ts";
import { addDoctorCommand } from "./commands/doctor.ts";
import { addExportCommand } from "./commands/export.ts";
import { addForkCommand } from "./commands/fork.ts";
import { addHistoryCommand } from "./commands/history.ts";
import { addImportCommand } from "./commands/import.ts";
import { addListCommand } from "./commands/list.ts";
import { addMigrateCommand } from "./commands/migrate.ts";
import { addPauseCommand } from "./commands/pause.ts";
import { addPausesCommand } from "./commands/pauses.ts";
import { addQueueCommand } from "./commands/queue.ts";
import { addQueryCommand } from "./commands/query.ts";
import { addReplayCommand } from "./commands/replay.ts";
import { addResumeCommand } from "./commands/resume.ts";
import { addRetryCommand } from "./commands/retry.ts";
import { addRollbackCommand } from "./commands/rollback.ts";
import { addRunsCommand } from "./commands/runs.ts";
import { addScheduleCommand } from "./commands/schedule.ts";
import { addRetentionCommand } from "./commands/retention.ts";
import { addShowCommand } from "./commands/show.ts";
import { addSignalCommand } from "./commands/signal.ts";
import { addStartCommand } from "./commands/start.ts";
import { addStreamCommand } from "./commands/stream.ts";
import { addTerminateCommand } from "./commands/terminate.ts";
import { addUpdateCommand } from "./commands/update.ts";
import { addValueCommand } from "./commands/value.ts";
import { addVersionsCommand } from "./commands/versions.ts";
import { addVerifyCommand } from "./commands/verify.ts";
import { addWorkerCommand } from "./commands/worker.ts";
import { addGlobalOptions, examples } from "./global-options.ts";

/** The whole command line. Errors are thrown, never printed, so that one place decides how they look. */
export function buildProgram(): Command {
  const { version } = createRequire(import.meta.url)("../package.json") as { version: string };
  const program = new Command("pawl")
    .description("Durable workflows that never slip back: run workers, start executions, see what they do.")
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    // Without this, `start --version 2` would be the program's own --version.
    .enablePositionalOptions()
    .version(version, "-v, --version", "print the version of pawl")
    .addHelpText(
      "after",
      examples([
        ['pawl start greet --file greet.ts --input \'{"name":"Ann"}\' --wait', "run a workflow of a file, here and now"],
        ["pawl worker workflows.ts", "run executions until stopped"],
        ["pawl list --state running", "see what is going on"],
        ["pawl doctor", "check the database, the workers and the promise that everything wakes"],
      ]) +
        "\n\nWithout --url and DATABASE_URL, pawl keeps a PostgreSQL of its own in .pawl/ of the current directory." +
        "\nExit codes: 0 done, 1 failed, 2 wrong usage or input, 3 database unreachable, 130, 143 or 129 stopped by a signal.",
    );
  addGlobalOptions(program);
  program.commandsGroup("Run:");
  addWorkerCommand(program);
  addStartCommand(program);
  addScheduleCommand(program);
  program.commandsGroup("Look:");
  addListCommand(program);
  addCountCommand(program);
  addShowCommand(program);
  addHistoryCommand(program);
  addRunsCommand(program);
  addCheckpointsCommand(program);
  addQueryCommand(program);
  addValueCommand(program);
  addStreamCommand(program);
  addExportCommand(program);
  program.commandsGroup("Control:");
  addSignalCommand(program);
  addUpdateCommand(program);
  addCancelCommand(program);
  addTerminateCommand(program);
  addPauseCommand(program);
  addResumeCommand(program);
  addRollbackCommand(program);
  addRetryCommand(program);
  addForkCommand(program);
  addBulkCommand(program);
  addImportCommand(program);
  program.commandsGroup("Operate:");
  addMigrateCommand(program);
  addVersionsCommand(program);
  addQueueCommand(program);
  addRetentionCommand(program);
  addPausesCommand(program);
  addDoctorCommand(program);
  addVerifyCommand(program);
  addReplayCommand(program);
  return program;
}
