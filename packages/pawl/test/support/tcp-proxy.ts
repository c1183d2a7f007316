/**
 * A proxy before PostgreSQL: delays, partitions, cuts. It knows enough of the protocol to lose exactly the reply of a chosen
 * statement: the request goes through, the server answers, and then the connection is cut instead of forwarding the answer.
 *
 * A partition holds bytes back, as TCP does, which sends them again until they arrive: what was under way comes late, also
 * from a side that has given up the connection meanwhile.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

/** Whether to lose the reply of this send: `occurrence` counts the sends of statements of this name, from 1. */
export type Swallow = (statement: string, occurrence: number) => boolean;

/** Which way a partition stops. */
export type Partition = "none" | "requests" | "replies" | "both";

export class TcpProxy {
  /** Connection string through the proxy. */
  readonly url: string;
  /** Replies lost, by statement name. */
  readonly swallowed = new Map<string, number>();
  /** Sends, by statement name. */
  readonly seen = new Map<string, number>();
  /** Decides for every named prepared statement; none by default. */
  swallow: Swallow = () => false;
  /** Cut the connection before this send is forwarded: the database never sees it. */
  loseRequest: Swallow = () => false;
  /** Requests lost with their connection. */
  lostRequests = 0;
  /** How long everything takes, each way. */
  delayMs = 0;
  /** Called when a named statement reaches the proxy, before it is forwarded. */
  onStatement: (statement: string, occurrence: number) => void = () => {};
  /** Called when a reply was lost, before the connection is cut. */
  onSwallowed: (statement: string) => void = () => {};
  readonly #server: Server;
  readonly #sockets: Set<Socket>;
  readonly #lanes = new Set<Lane>();
  #partition: Partition = "none";
  /** What happens to connections that one side closed during the partition. */
  readonly #afterPartition: (() => void)[] = [];

  private constructor(url: string, server: Server, sockets: Set<Socket>) {
    this.url = url;
    this.#server = server;
    this.#sockets = sockets;
  }

  static async open(databaseUrl: string): Promise<TcpProxy> {
    const target = targetOf(databaseUrl);
    const sockets = new Set<Socket>();
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const { user, password, database } = target;
    const credentials = password === "" ? user : `${user}:${password}`;
    const proxy = new TcpProxy(`postgresql://${credentials}@127.0.0.1:${address.port}/${database}?sslmode=disable`, server, sockets);
    server.on("connection", (client) => proxy.#serve(client, target.connect()));
    return proxy;
  }

  get lostReplies(): number {
    return [...this.swallowed.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Connections open at the moment. */
  get connections(): number {
    return this.#sockets.size / 2;
  }

  partition(kind: Partition): void {
    this.#partition = kind;
    if (kind !== "none") return;
    for (const lane of this.#lanes) lane.flush();
    for (const finish of this.#afterPartition.splice(0)) finish();
  }

  /** Resets every connection. */
  reset(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.reset();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(client: Socket, database: Socket): void {
    const requestsHeld = (): boolean => this.#partition === "requests" || this.#partition === "both";
    const repliesHeld = (): boolean => this.#partition === "replies" || this.#partition === "both";
    const toDatabase = new Lane(database, requestsHeld, () => this.delayMs);
    const toClient = new Lane(client, repliesHeld, () => this.delayMs);
    const lanes = [toDatabase, toClient];
    for (const lane of lanes) this.#lanes.add(lane);
    const cut = (): void => {
      client.destroy();
      database.destroy();
      for (const lane of lanes) this.#lanes.delete(lane);
    };
    for (const socket of [client, database]) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        // The other side cannot know before the partition is over.
        const mustWait = socket === client ? requestsHeld() : repliesHeld();
        if (!mustWait) return cut();
        this.#afterPartition.push(() => {
          (socket === client ? database : client).end();
          setTimeout(cut, 1000).unref();
        });
      });
    }
    let losing: string | undefined;
    let dropped = false;
    const requests = new MessageReader(true, (type, body) => {
      // Bind: the portal's name, then the statement's, each ended by a zero byte.
      if (type !== "B") return;
      const statementAt = body.indexOf(0) + 1;
      const statement = body.toString("utf8", statementAt, body.indexOf(0, statementAt));
      if (statement === "") return;
      const occurrence = (this.seen.get(statement) ?? 0) + 1;
      this.seen.set(statement, occurrence);
      this.onStatement(statement, occurrence);
      if (this.loseRequest(statement, occurrence)) dropped = true;
      else if (losing === undefined && this.swallow(statement, occurrence)) losing = statement;
    });
    const replies = new MessageReader(false, (type) => {
      if (type !== "Z" || losing === undefined) return;
      // The transaction has ended; its outcome stays unknown to the client.
      this.swallowed.set(losing, (this.swallowed.get(losing) ?? 0) + 1);
      this.onSwallowed(losing);
      cut();
    });
    client.on("data", (chunk: Buffer) => {
      requests.read(chunk);
      if (!dropped) return toDatabase.send(chunk);
      this.lostRequests++;
      cut();
    });
    database.on("data", (chunk: Buffer) => {
      replies.read(chunk);
      if (losing === undefined) toClient.send(chunk);
    });
  }
}

/** One direction of a connection: passes bytes on, later or much later. */
class Lane {
  readonly #to: Socket;
  readonly #isHeld: () => boolean;
  readonly #delayMs: () => number;
  readonly #waiting: { readonly chunk: Buffer; readonly due: number }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(to: Socket, isHeld: () => boolean, delayMs: () => number) {
    this.#to = to;
    this.#isHeld = isHeld;
    this.#delayMs = delayMs;
  }

  send(chunk: Buffer): void {
    this.#waiting.push({ chunk, due: performance.now() + this.#delayMs() });
    this.flush();
  }

  flush(): void {
    clearTimeout(this.#timer);
    for (let first = this.#waiting[0]; first !== undefined && !this.#isHeld(); first = this.#waiting[0]) {
      const wait = first.due - performance.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.flush(), wait);
        return;
      }
      this.#waiting.shift();
      if (!this.#to.destroyed) this.#to.write(first.chunk);
    }
  }
}

/** Splits one direction of the protocol into messages: a type byte (not for the first one of a client), a length, a body. */
class MessageReader {
  #pending: Buffer = Buffer.alloc(0);
  #startup: boolean;
  readonly #onMessage: (type: string, body: Buffer) => void;

  constructor(startup: boolean, onMessage: (type: string, body: Buffer) => void) {
    this.#startup = startup;
    this.#onMessage = onMessage;
  }

  read(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    for (;;) {
      const head = this.#startup ? 0 : 1;
      if (this.#pending.length < head + 4) return;
      const length = this.#pending.readInt32BE(head);
      if (this.#pending.length < head + length) return;
      const type = this.#startup ? "" : String.fromCharCode(this.#pending[0]!);
      const body = this.#pending.subarray(head + 4, head + length);
      this.#pending = this.#pending.subarray(head + length);
      this.#startup = false;
      this.#onMessage(type, body);
    }
  }
}

interface Target {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  connect(): Socket;
}

/** A Unix socket stands in the query of the URL, behind an empty host. */
function targetOf(databaseUrl: string): Target {
  const { username, password, pathname, searchParams, hostname, port } = new URL(databaseUrl.replace(/@\//, "@localhost/"));
  const directory = searchParams.get("host");
  const database = pathname.slice(1);
  const socketPath = directory?.startsWith("/") === true ? `${directory}/.s.PGSQL.${searchParams.get("port") ?? "5432"}` : undefined;
  return {
    user: username,
    password,
    database,
    connect: () =>
      socketPath === undefined ? connect({ host: hostname, port: Number(port === "" ? "5432" : port), noDelay: true }) : connect({ path: socketPath }),
  };
}
