import type { Command } from "commander";
import { fold, type ExecutionInfo, type ExecutionView, type Failure, type HistoryEvent, type StepView } from "pawl";
import { failureText, plainEvent } from "../describe-event.ts";
import { addGlobalOptions, examples } from "../global-options.ts";
import type { Output } from "../output.ts";
import { jsonText, printable, shorten } from "../printable.ts";
import { withPawl } from "../session.ts";
import { table } from "../table.ts";
import { ago, between } from "../times.ts";
import { executionTable } from "./list.ts";

const longestValue = 500;
const mostChildren = 50;

/** A step, with why its latest attempt failed, if it did. */
interface Step extends Pick<StepView, "position" | "name" | "state" | "attempt"> {
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  readonly failure: Pick<Failure, "name" | "message" | "code"> | null;
}

export function addShowCommand(program: Command): void {
  const command = program
    .command("show")
    .summary("show one execution: state, steps, children")
    .description("Shows one execution: its state and what it waits for, its steps, its children, and its result or failure.")
    .argument("<id>", "id of the execution")
    .addHelpText(
      "after",
      examples([
        ["pawl show docs-2026-11", "where is it?"],
        ["pawl show docs-2026-11 --json | jq .failure", "why did it fail?"],
      ]),
    )
    .action(async (id: string, _flags: object, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const handle = pawl.handle(id);
        const info = await handle.status();
        const [history, children] = await Promise.all([handle.history(), pawl.list({ parent: id, limit: mostChildren })]);
        const view = fold(history);
        const steps = stepsOf(view, history);
        const first = history[0] === undefined ? undefined : plainEvent(history[0].event);
        const input = first?.["input"];
        const parent = (first?.["parent"] as { readonly executionId: string } | undefined)?.executionId ?? null;
        if (output.json) {
          const { result, failure, reason } = view;
          return output.value({ ...info, parent, input, result, failure: failure ?? null, reason: reason ?? null, steps, children: children.executions });
        }
        output.lines([...summary(info, view, input, parent, output), ...stepLines(steps, output)]);
        if (children.executions.length > 0) output.lines(["", output.paint.bold("Children"), ...executionTable(children.executions, output)]);
        if (children.nextCursor !== undefined) output.remark(`There are more children: pawl list --parent ${id}`);
      });
    });
  addGlobalOptions(command);
}

function summary(info: ExecutionInfo, view: ExecutionView, input: unknown, parent: string | null, output: Output): string[] {
  const value = (data: unknown) => shorten(jsonText(data), longestValue);
  const rows: [string, string][] = [
    ["Execution", info.executionId + (info.runNumber > 1 ? ` (run ${info.runNumber})` : "")],
    ["Workflow", `${info.workflow}@${info.version}`],
    ["State", info.state],
    ["Waits for", info.waitingFor ?? ""],
    ["Queue", info.taskQueue],
    ["Queue key", info.key ?? ""],
    ["Priority", info.priority === 0 ? "" : String(info.priority)],
    ["Parent", parent ?? ""],
    ["Idempotency key", info.idempotencyKey ?? ""],
    ["Labels", Object.keys(info.labels).length === 0 ? "" : value(info.labels)],
    ["Attributes", Object.keys(info.attributes).length === 0 ? "" : value(info.attributes)],
    ["Created", `${info.createdAt.toISOString()} (${ago(info.createdAt)})`],
    ["Took", info.startedAt !== null && info.finishedAt !== null ? between(info.startedAt, info.finishedAt) : ""],
    ["Worker", info.workerId ?? ""],
    ["Input", input === undefined ? "" : value(input)],
    ["Result", view.state === "completed" ? value(view.result) : ""],
    ["Failure", view.failure === undefined ? "" : failureText(view.failure)],
    ["Reason", view.reason ?? ""],
  ];
  const shown = rows.filter(([, text]) => text !== "");
  const width = Math.max(...shown.map(([name]) => name.length), 10);
  return shown.map(([name, text]) => {
    const safe = printable(text);
    return `${output.paint.dim(name.padEnd(width))} ${name === "State" ? output.state(safe, info.state) : name === "Failure" ? output.paint.red(safe) : safe}`;
  });
}

function stepLines(steps: readonly Step[], output: Output): string[] {
  if (steps.length === 0) return [];
  const columns = [
    { title: "#", text: (step: Step) => String(step.position), right: true },
    { title: "STEP", text: (step: Step) => step.name },
    { title: "STATE", text: (step: Step) => step.state, paint: (text: string, step: Step) => output.state(text, step.state) },
    { title: "ATTEMPT", text: (step: Step) => String(step.attempt), right: true },
    { title: "TOOK", text: (step: Step) => (step.startedAt === null ? "" : between(step.startedAt, step.endedAt)) },
    { title: "LAST FAILURE", text: (step: Step) => (step.failure === null ? "" : failureText(step.failure)) },
  ];
  return ["", output.paint.bold("Steps"), ...table(columns, steps, output.width, output.paint.dim)];
}

function stepsOf(view: ExecutionView, history: readonly HistoryEvent[]): Step[] {
  const failures = new Map<number, Failure>();
  for (const { event } of history) if (event.type === "StepAttemptFailed" || event.type === "StepFailed") failures.set(event.position, event.failure);
  return view.steps.map(({ position, name, state, attempt, startedAt, endedAt }) => {
    const failure = failures.get(position);
    return {
      position,
      name,
      state,
      attempt,
      startedAt: startedAt === undefined ? null : new Date(startedAt),
      endedAt: endedAt === undefined ? null : new Date(endedAt),
      failure: failure === undefined ? null : { name: failure.name, message: failure.message, ...(failure.code === undefined ? {} : { code: failure.code }) },
    };
  });
}
