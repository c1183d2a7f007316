import { Pawl } from "pawl";

/** On `DATABASE_URL` if it is set, else on an embedded PostgreSQL in `directory`. */
export function openDemo(directory: string): Promise<Pawl> {
  return Pawl.open({
    directory,
    namespace: "crash-demo",
    logger: { info: () => {}, warn: () => {}, error: (message) => console.error(message) },
  });
}
