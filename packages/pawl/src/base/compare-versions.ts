const natural = new Intl.Collator("en", { numeric: true });

/** The natural order of versions: "10" comes after "9", and "1.10" after "1.9". */
export function compareVersions(a: string, b: string): number {
  return natural.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}
