/**
 * The world outside: an HTTP server that steps call as they begin and end. It keeps the ledger, counts, and holds steps back at
 * gates until the rig opens them. No fault touches the way to it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { EffectRecord } from "pawl/internal";
import { JsonLines } from "./json-lines.ts";

interface Gate {
  open: boolean;
  readonly waiting: (() => void)[];
}

export class EffectServer {
  readonly url: string;
  readonly path: string;
  readonly lines: EffectRecord[] = [];
  readonly #file: JsonLines;
  readonly #server: Server;
  readonly #begins = new Map<string, number>();
  readonly #gates = new Map<string, Gate>();

  private constructor(url: string, path: string, server: Server) {
    this.url = url;
    this.path = path;
    this.#server = server;
    this.#file = new JsonLines(path);
  }

  static async open(path: string): Promise<EffectServer> {
    const server = createServer();
    // Longer than any worker is stopped: a connection must not close under a request.
    server.keepAliveTimeout = 600_000;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const effects = new EffectServer(`http://127.0.0.1:${address.port}`, path, server);
    server.on("request", (request, response) => void effects.#answer(request, response));
    return effects;
  }

  /** How often this step has begun. */
  begins(key: string): number {
    return this.#begins.get(key) ?? 0;
  }

  /** Whether a step stands before this gate. */
  isWaiting(gate: string): boolean {
    return (this.#gates.get(gate)?.waiting.length ?? 0) > 0;
  }

  openGate(name: string): void {
    const gate = this.#gate(name);
    gate.open = true;
    for (const pass of gate.waiting.splice(0)) pass();
  }

  async close(): Promise<void> {
    for (const name of this.#gates.keys()) this.openGate(name);
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    this.#file.close();
  }

  #gate(name: string): Gate {
    let gate = this.#gates.get(name);
    if (gate === undefined) this.#gates.set(name, (gate = { open: false, waiting: [] }));
    return gate;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    if (request.url?.startsWith("/gate/") === true) return this.#wait(request.url.slice(6), response);
    const line = JSON.parse(body) as EffectRecord;
    this.lines.push(line);
    this.#file.write(line);
    const begins = (this.#begins.get(line.key) ?? 0) + (line.phase === "begin" ? 1 : 0);
    this.#begins.set(line.key, begins);
    response.end(String(begins));
  }

  #wait(name: string, response: ServerResponse): void {
    const gate = this.#gate(name);
    if (gate.open) response.end("open");
    else gate.waiting.push(() => response.end("open"));
  }
}
