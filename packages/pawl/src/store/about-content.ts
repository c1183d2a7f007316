import { Closed, PawlError } from "../base/errors.ts";

/** SQLSTATE classes that speak of what is written: data, what tables allow, and limits of the database. */
const ofContent = /^(22|23|54)...$/;

/** Whether what was to be written can never be, as it is: text that cannot be stored, a value that is too large. */
export function isAboutContent(error: unknown): boolean {
  if (error instanceof PawlError) return !(error instanceof Closed);
  // What cannot even be put into a statement.
  if (error instanceof RangeError || error instanceof TypeError) return true;
  return error instanceof Error && "code" in error && typeof error.code === "string" && ofContent.test(error.code);
}
