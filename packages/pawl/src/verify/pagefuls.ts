/** Consecutive ones that fit into one page together. One that is larger than a page has one of its own. */
export function pagefuls<Item>(items: readonly Item[], sizeOf: (item: Item) => number, pageSize: number): Item[][] {
  const cut: Item[][] = [];
  let room = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (size > room || cut.length === 0) {
      cut.push([]);
      room = pageSize;
    }
    cut.at(-1)!.push(item);
    room -= size;
  }
  return cut;
}
