/** Where a program kills itself: at the so many-th time that it comes to a boundary, such as "commit/before". */

/** @typedef {{ readonly boundary: string, readonly occurrence: number }} Kill */

/**
 * Counts the boundaries that a program comes to, and kills it at the one that is named.
 *
 * @param {Kill} [kill]
 */
export function countBoundaries(kill) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  /** @param {string} boundary */
  const reached = (boundary) => {
    const count = (counts.get(boundary) ?? 0) + 1;
    counts.set(boundary, count);
    if (kill?.boundary === boundary && kill.occurrence === count) process.kill(process.pid, "SIGKILL");
  };
  return { reached, counts: () => Object.fromEntries(counts) };
}

/** For `openPawl`: kills this process there. @param {Kill} kill @returns {(name: string, phase: "before" | "after") => void} */
export function killAt(kill) {
  const { reached } = countBoundaries(kill);
  return (name, phase) => reached(`${name}/${phase}`);
}
