import type { Command } from "commander";
import type { HistoryEvent } from "pawl";
import { eventToJson, formatDuration } from "pawl/internal";
import { eventDetails, plainEvent } from "../describe-event.ts";
import { addGlobalOptions, examples } from "../global-options.ts";
import type { Output } from "../output.ts";
import { printable, shorten } from "../printable.ts";
import { chosenRun } from "../run-option.ts";
import { withPawl } from "../session.ts";

interface HistoryFlags {
  readonly full?: boolean;
  readonly run?: string;
}

const longestDetails = 120;

export function addHistoryCommand(program: Command): void {
  const command = program
    .command("history")
    .summary("everything that happened in one execution")
    .description("Prints every event of an execution's latest run, or of another one, in order: number, time since the first one, type, details.")
    .argument("<id>", "id of the execution")
    .option("--run <run>", "an earlier run: its number or id, as `pawl runs` lists them")
    .option("--full", "do not shorten payloads and messages")
    .addHelpText(
      "after",
      examples([
        ["pawl history docs-2026-11", "what happened, in order"],
        ["pawl history docs-2026-11 --json | jq '.events[].type'", "for a program"],
        ["pawl history docs-2026-11 --json > histories/docs.json", "for `pawl replay`, to hold later code against it"],
      ]),
    )
    .action(async (id: string, flags: HistoryFlags, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const handle = pawl.handle(id);
        const { workflow } = await handle.status();
        const { runId, runNumber, version } = await chosenRun(handle, flags.run);
        const history = await handle.history({ runId });
        if (output.json) {
          // What JSON cannot hold stands there twice: for people, and encoded, so that it can be replayed.
          const events = history.map((entry) => ({ ...eventToJson(entry), ...plainEvent(entry.event) }));
          output.value({ executionId: id, namespace: handle.namespace, workflow, version, runId, runNumber, events });
        } else {
          output.lines(lines(history, flags.full === true, output));
        }
      });
    });
  addGlobalOptions(command);
}

function lines(history: readonly HistoryEvent[], full: boolean, output: Output): string[] {
  const startedAt = Number(history[0]?.at ?? 0);
  const rows = history.map(({ seq, at, event }) => ({
    seq: String(seq),
    after: `+${formatDuration(Number(at) - startedAt)}`,
    type: event.type,
    details: printable(eventDetails(event)),
  }));
  const widest = (key: "seq" | "after" | "type") => Math.max(0, ...rows.map((row) => row[key].length));
  const [seqWidth, afterWidth, typeWidth] = [widest("seq"), widest("after"), widest("type")];
  const before = seqWidth + afterWidth + typeWidth + 6;
  const most = output.width === undefined ? longestDetails : Math.max(20, output.width - before);
  return rows.map(({ seq, after, type, details }) =>
    `${output.paint.dim(seq.padStart(seqWidth))}  ${after.padStart(afterWidth)}  ${paintType(type, typeWidth, output)}  ${full ? details : shorten(details, most)}`.trimEnd(),
  );
}

function paintType(type: string, width: number, { paint }: Output): string {
  const text = type.padEnd(width);
  if (/Failed|Lost|Quarantined/.test(type)) return paint.red(text);
  if (/Cancel|Terminated/.test(type)) return paint.yellow(text);
  return /Completed/.test(type) ? paint.green(text) : text;
}
