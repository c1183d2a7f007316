import { UsageError } from "./failures.ts";

/** A number, "latest", or the name of a step: its last result. @throws UsageError */
export function readCheckpoint(given: string | undefined, option: string): number | "latest" | { readonly step: string } {
  if (given === undefined || given === "") throw new UsageError("OPTION_INVALID", `${option}: names the checkpoint; pawl checkpoints lists them.`);
  if (given === "latest") return given;
  return /^\d+$/.test(given) ? Number(given) : { step: given };
}
