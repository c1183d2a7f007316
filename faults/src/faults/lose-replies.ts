import type { TcpProxy } from "../../../packages/pawl/test/support/tcp-proxy.ts";
import type { Fault } from "../fault.ts";
import type { Rig } from "../rig.ts";

/** Named transactions that the base load is sure to send, often enough. */
const transactions = ["heartbeat", "pawl_claim", "pawl_commit", "pawl_request-cancel", "pawl_read-inboxes"];

export const loseReplies: Fault = {
  id: "F6",
  title: "replies lost after the commit: each transaction in turn, then 2 of 100",
  async inject(rig) {
    watch(rig);
    // Every kind loses its second and third reply on each way to the database.
    const half = rig.seconds / 2;
    for (const proxy of rig.proxies) proxy.swallow = nthOfEach(2, 3);
    await rig.during(100, () => {}, half);
    await loseRepliesAtRandom(rig, half);
  },
  requirements: (rig) => [
    { what: "replies lost", count: total(rig), least: 10 },
    ...transactions.map((name) => ({ what: `replies to ${name} lost`, count: lostOf(rig, name), least: 1 })),
  ],
};

export async function loseRepliesAtRandom(rig: Rig, seconds = rig.seconds): Promise<void> {
  const swallow = (): boolean => rig.random.chance(0.02);
  for (const proxy of rig.proxies) proxy.swallow = swallow;
  rig.fleet.onProxy = (proxy) => (proxy.swallow = swallow);
  await rig.during(100, () => {}, seconds);
  rig.fleet.onProxy = () => {};
  for (const proxy of rig.proxies) proxy.swallow = () => false;
}

/** Counts what the proxies lose. */
export function watch(rig: Rig): void {
  const onSwallowed = (statement: string): void => rig.count(statement.replace(/:.*/, ""));
  for (const proxy of rig.proxies) proxy.onSwallowed = onSwallowed;
}

function nthOfEach(...which: readonly number[]): TcpProxy["swallow"] {
  const counts = new Map<string, number>();
  return (statement) => {
    const n = (counts.get(statement) ?? 0) + 1;
    counts.set(statement, n);
    return which.includes(n);
  };
}

function lostOf(rig: Rig, name: string): number {
  return rig.counted(name);
}

function total(rig: Rig): number {
  return [...rig.counts.values()].reduce((sum, count) => sum + count, 0);
}
