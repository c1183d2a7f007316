import { supportedExtensions } from "./document-format.ts";

/** The codes of all errors below, also for a retry policy: the compiler holds each class to this list. */
export const permanentDocumentErrors = [
  "FILE_TOO_BIG",
  "TEXT_TOO_LONG",
  "FILE_VANISHED",
  "FORMAT_UNSUPPORTED",
  "NOT_TEXT",
  "ENCODING_UNREADABLE",
  "PDF_BROKEN",
  "PDF_ENCRYPTED",
  "PDF_WITHOUT_TEXT",
] as const;

/**
 * Why a document cannot be ingested. Trying again would give the same answer, so the load step does not retry these;
 * the file's execution fails at once and the folder's result lists it.
 */
export abstract class DocumentError extends Error {
  abstract readonly code: (typeof permanentDocumentErrors)[number];

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

export class FileTooBig extends DocumentError {
  readonly code = "FILE_TOO_BIG";
  constructor(bytes: number, limit: number) {
    super(`The file has ${megabytes(bytes)} MB; the limit is ${megabytes(limit)} MB. Split it.`);
  }
}

/** The extracted text is recorded in the history in one piece, so it has a limit of its own. */
export class TextTooLong extends DocumentError {
  readonly code = "TEXT_TOO_LONG";
  constructor(bytes: number, limit: number) {
    super(`The file holds ${megabytes(bytes)} MB of text; the limit is ${megabytes(limit)} MB. Split it.`);
  }
}

export class FileVanished extends DocumentError {
  readonly code = "FILE_VANISHED";
  constructor(options?: ErrorOptions) {
    super("The file was there when the folder was read and is gone now. Run the ingestion again.", options);
  }
}

export class FormatUnsupported extends DocumentError {
  readonly code = "FORMAT_UNSUPPORTED";
  constructor() {
    super(`The file is not of a known format. Supported: ${supportedExtensions.join(", ")}.`);
  }
}

export class NotText extends DocumentError {
  readonly code = "NOT_TEXT";
  constructor() {
    super("The file is named like text but holds binary data. Rename it, or remove it from the folder.");
  }
}

export class EncodingUnreadable extends DocumentError {
  readonly code = "ENCODING_UNREADABLE";
  constructor(encoding: string, options?: ErrorOptions) {
    super(`The file is not readable as ${encoding}. Save it as UTF-8.`, options);
  }
}

export class PdfBroken extends DocumentError {
  readonly code = "PDF_BROKEN";
  constructor(cause: unknown) {
    super(`The PDF cannot be read: ${cause instanceof Error ? cause.message : String(cause)} Repair or export it again.`, { cause });
  }
}

export class PdfEncrypted extends DocumentError {
  readonly code = "PDF_ENCRYPTED";
  constructor(options?: ErrorOptions) {
    super("The PDF asks for a password. Save a copy without one.", options);
  }
}

export class PdfWithoutText extends DocumentError {
  readonly code = "PDF_WITHOUT_TEXT";
  constructor(pages: number) {
    super(`The PDF has ${pages} page${pages === 1 ? "" : "s"} and no text in them, so it is probably a scan. Run text recognition on it first.`);
  }
}

function megabytes(bytes: number): string {
  return (bytes / (1024 * 1024)).toFixed(1);
}
