/** What an error from the database means for the transaction that met it. */
export type Fault =
  /** The transaction did not commit and may be sent again as it is. */
  | { readonly kind: "retry" }
  /** Somebody else held a lock for longer than the statement waits. It did not commit and may be sent again as it is. */
  | { readonly kind: "locked" }
  /** The connection broke: the transaction may or may not have committed. */
  | { readonly kind: "unknown" }
  /**
   * The server lets nobody in, or not this program: credentials, pg_hba, certificates, a database that is gone or closed. Nothing was
   * sent. Whoever has been let in before may be again, as soon as somebody has seen to it; whoever has not is told.
   */
  | { readonly kind: "refused" }
  /** Somebody cancelled the statement, for being slow. A write has to be sent again; whoever reads may be told. */
  | { readonly kind: "cancelled" }
  /** Sending it again would fail again. */
  | { readonly kind: "permanent" };

/**
 * SQLSTATEs after which PostgreSQL has rolled the transaction back and a later attempt may succeed: serialization failure,
 * deadlock, too many connections, out of disk or memory, starting up or shutting down before the
 * statement ran, a server that is (still) read-only, a prepared statement that somebody has deallocated.
 */
const retryable = new Set(["40001", "40P01", "53300", "53100", "53200", "57P03", "25006", "26000"]);

/** The backend was told to go while the statement ran or the session was idle, or the connection failed: the commit may have happened. */
const ambiguous = new Set(["57P01", "57P02", "57P05", "08000", "08003", "08006", "08001", "08004"]);

const brokenConnection =
  /ECONNREFUSED|ECONNRESET|ECONNABORTED|EPIPE|ENOENT|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENETDOWN|ENOTFOUND|EAI_AGAIN|EMFILE|ENFILE|Connection terminated|Client has encountered a connection error|not queryable|timeout exceeded when trying to connect|server closed the connection/;

/** Of the connection alone: invalid authorization in all its forms, and a database that does not exist. */
const refusing = /^28...$|^3D000$/;

/** What a statement may meet as well: no right to connect to the database, and one that accepts no connections. */
const refusingIfFatal = new Set(["42501", "55000"]);

/** What Node says of certificates and TLS, and of sockets that this user may not open. */
const refusedByTls =
  /CERT|CRL_|ISSUER|LEAF_SIGNATURE|^ERR_(SSL|TLS|OSSL)_|^INVALID_(CA|PURPOSE)$|^PATH_LENGTH_EXCEEDED$|^HOSTNAME_MISMATCH$|^EPROTO$|^EACCES$|^EPERM$/;

/** What the driver says of a server with which it comes to no terms. */
const refusedByDriver = /^SASL: |^The server does not support SSL connections|^There was an error establishing an SSL connection/;

export function classifyFault(error: unknown): Fault {
  if (!(error instanceof Error)) return { kind: "permanent" };
  // Drizzle hands the driver's error on as a cause.
  if (!("code" in error) && error.cause instanceof Error) return classifyFault(error.cause);
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (retryable.has(code)) return { kind: "retry" };
  if (code === "55P03") return { kind: "locked" };
  if (code === "57014") return { kind: "cancelled" };
  if (ambiguous.has(code) || code.startsWith("08") || code === "58030" || code === "XX000") return { kind: "unknown" };
  // Before a session has begun everything that goes wrong is fatal.
  const isFatal = "severity" in error && error.severity === "FATAL";
  if (refusing.test(code) || refusedByTls.test(code) || refusedByDriver.test(error.message)) return { kind: "refused" };
  if (isFatal) return { kind: refusingIfFatal.has(code) ? "refused" : "unknown" };
  if (brokenConnection.test(`${code} ${error.message}`)) return { kind: "unknown" };
  return { kind: "permanent" };
}

export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "53100";
}
