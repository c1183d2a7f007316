import type { Command } from "commander";
import { openEmbedded } from "pawl/internal";
import type { GlobalFlags } from "./global-options.ts";
import { Interrupt } from "./interrupt.ts";
import { openOutput, type Output } from "./output.ts";
import { checkDatabaseExists, embeddedCloseMs, givenUrl } from "./session.ts";

/** A database that was found or started, before anybody looked into it. */
export interface Place {
  readonly url: string;
  readonly schema: string;
}

/** For the commands that work on the database itself: gives its address, with the embedded one running. */
export async function withDatabase(
  command: Command,
  options: { readonly create: boolean },
  work: (parts: { readonly place: Place; readonly flags: GlobalFlags; readonly output: Output }) => Promise<void>,
): Promise<void> {
  const flags = command.optsWithGlobals<GlobalFlags>();
  const output = await openOutput(flags);
  if (!options.create) checkDatabaseExists(flags);
  const interrupt = new Interrupt();
  try {
    const given = givenUrl(flags);
    const embedded =
      given === undefined
        ? await interrupt.open(openEmbedded({ directory: flags.dir ?? ".pawl", onProgress: (line) => output.remark(line) }), {
            close: (opened) => opened.close(),
            withinMs: embeddedCloseMs,
          })
        : undefined;
    try {
      await interrupt.race(work({ place: { url: embedded?.url ?? given!, schema: flags.schema ?? "pawl" }, flags, output }));
    } finally {
      await embedded?.close();
    }
  } finally {
    interrupt.dispose();
  }
}
