import { printable, shorten } from "./printable.ts";

export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  readonly paint?: (text: string, row: Row) => string;
  readonly right?: boolean;
}

const gap = "  ";

/**
 * Rows in columns as wide as their widest cell; the last one is cut at `width`. Columns without any text are left out.
 * Cells are made printable here, so that no table can forget to.
 */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number | undefined, paintTitle: (title: string) => string): string[] {
  const filled = columns
    .map((column) => {
      const cells = rows.map((row) => printable(column.text(row)));
      return { column, cells, size: Math.max(column.title.length, ...cells.map((cell) => cell.length)) };
    })
    .filter(({ cells }) => cells.some((cell) => cell !== ""));
  const before = filled.slice(0, -1).reduce((sum, { size }) => sum + size + gap.length, 0);
  const room = width === undefined ? Number.POSITIVE_INFINITY : Math.max(10, width - before);
  const fit = (text: string, index: number): string => {
    const { column, size } = filled[index]!;
    if (column.right) return text.padStart(size);
    return index === filled.length - 1 ? shorten(text, room) : text.padEnd(size);
  };
  const header = filled.map(({ column }, index) => paintTitle(fit(column.title, index))).join(gap);
  const body = rows.map((row, rowIndex) =>
    filled
      .map(({ column, cells }, index) => (column.paint ?? ((text) => text))(fit(cells[rowIndex]!, index), row))
      .join(gap)
      .trimEnd(),
  );
  return [header.trimEnd(), ...body];
}
