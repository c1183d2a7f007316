/** Where a program kills itself: at the so many-th time that it comes to a boundary, such as "commit/before". */

/** @typedef {{ readonly boundary: string, readonly occurrence: number }} Kill */

/** For `openPawl`: kills this process there. @param {Kill} kill @returns {(name: string, phase: "before" | "after") => void} */
export function killAt({ boundary, occurrence }) {
  let count = 0;
  return (name, phase) => {
    if (`${name}/${phase}` === boundary && ++count === occurrence) process.kill(process.pid, "SIGKILL");
  };
}
