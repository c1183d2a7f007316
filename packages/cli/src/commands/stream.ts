import type { Command } from "commander";
import { OptionInvalid } from "pawl";
import { addGlobalOptions, examples } from "../global-options.ts";
import { jsonText, printable } from "../printable.ts";
import { withPawl } from "../session.ts";

interface Flags {
  readonly from?: string;
  readonly follow?: boolean;
}

export function addStreamCommand(program: Command): void {
  const command = program
    .command("stream")
    .summary("print a stream that an execution writes")
    .description("Prints the chunks of a stream, one on each line: what is there now, or with --follow all until it is closed or its execution has ended.")
    .argument("<id>", "id of the execution")
    .argument("<name>", "name of the stream")
    .option("--from <offset>", "the first chunk to print, counted from 0")
    .option("--follow", "wait for more")
    .addHelpText(
      "after",
      examples([
        ["pawl stream chat-7 tokens --follow", "as they are written"],
        ["pawl stream chat-7 tokens --from 100 --json", "with offsets, times and the steps that wrote them"],
      ]),
    )
    .action(async (id: string, name: string, flags: Flags, self: Command) => {
      const from = flags.from === undefined ? 0 : Number(flags.from);
      if (flags.from !== undefined && !/^\d+$/.test(flags.from)) throw new OptionInvalid("--from", `must be a whole number from 0, not ${flags.from}`);
      await withPawl(self, {}, async ({ pawl, output }) => {
        for await (const chunk of pawl.handle(id).stream(name, { from, follow: flags.follow ?? false })) {
          if (output.json) output.value({ executionId: id, stream: name, ...chunk, value: chunk.value ?? null });
          else output.lines([typeof chunk.value === "string" ? printable(chunk.value) : jsonText(chunk.value ?? null)]);
        }
      });
    });
  addGlobalOptions(command);
}
