import { load } from "cheerio";
import { isTag, isText, type AnyNode } from "domhandler";
import { SectionBuilder, type Section, type SectionSink } from "../section.ts";
import { decodeText } from "./decode-text.ts";

/** Nothing a reader sees as the document's text. */
const unread = "script, style, noscript, template, svg, iframe, object, canvas, nav, form, [hidden], [aria-hidden=true]";

/** Each of these is a paragraph of its own... */
const blocks: ReadonlySet<string> = new Set(
  "address article aside blockquote body details dialog div fieldset figcaption figure footer header hr html main p section summary table".split(" "),
);
/** ...and each of these a line of one. */
const lines: ReadonlySet<string> = new Set("dd dl dt li ol tbody tfoot thead tr ul".split(" "));
const headings: ReadonlyMap<string, number> = new Map([1, 2, 3, 4, 5, 6].map((depth) => [`h${depth}`, depth]));

/** The text of `<main>` (or else of the body) under its headings, without scripts, styles and navigation. */
export function loadHtml(bytes: Uint8Array): Section[] {
  const $ = load(decodeText(bytes, declaredEncoding(bytes)));
  $(unread).remove();
  const builder = new SectionBuilder();
  const title = $("head > title").first().text();
  const main = $("main, [role=main]").first();
  const root = main.length > 0 ? main : $("body");
  // A page that names itself only in <title> still gets that name above its text; one with an <h1> would say it twice.
  if (root.find("h1").length === 0) builder.heading(1, title);
  new BlockReader(builder).read(root.contents().toArray());
  return builder.finish();
}

/** Raw HTML inside another format. */
export function readHtmlFragment(html: string, sink: SectionSink): void {
  const $ = load(html, null, false);
  $(unread).remove();
  new BlockReader(sink).read($.root().contents().toArray());
}

// The declaration must be in the first 1024 bytes, and is ASCII whatever it declares (HTML standard, 4.2.5.4).
function declaredEncoding(bytes: Uint8Array): string | undefined {
  const start = Buffer.from(bytes.subarray(0, 1024)).toString("latin1");
  const declared = /<meta[^>]+charset\s*=\s*["']?([\w-]+)/i.exec(start)?.[1]?.toLowerCase();
  // The standard reads a declared UTF-16 as UTF-8, because the declaration itself was readable as ASCII.
  return declared?.startsWith("utf-16") ? "utf-8" : declared;
}

/** Walks the tree in document order and cuts the running text wherever a block or a line begins or ends. */
class BlockReader {
  readonly #sink: SectionSink;
  #lines: string[] = [];
  #line = "";

  constructor(sink: SectionSink) {
    this.#sink = sink;
  }

  read(nodes: readonly AnyNode[]): void {
    this.#visitAll(nodes);
    this.#endBlock();
  }

  #visitAll(nodes: readonly AnyNode[]): void {
    for (const node of nodes) this.#visit(node);
  }

  #visit(node: AnyNode): void {
    if (isText(node)) this.#line += node.data.replace(/\s+/g, " ");
    if (!isTag(node)) return;
    const depth = headings.get(node.name);
    if (depth !== undefined) {
      this.#endBlock();
      this.#sink.heading(depth, rawText(node));
    } else if (node.name === "pre") {
      this.#endBlock();
      this.#sink.paragraph(rawText(node));
    } else if (node.name === "br") {
      this.#line += "\n";
    } else if (node.name === "img") {
      this.#line += ` ${node.attribs["alt"] ?? ""} `;
    } else if (blocks.has(node.name)) {
      this.#endBlock();
      this.read(node.children);
    } else if (lines.has(node.name)) {
      this.#endLine();
      this.#line = node.name === "li" ? "- " : node.name === "tr" ? cellsText(node.children) : "";
      if (node.name !== "tr") this.#visitAll(node.children);
      this.#endLine();
    } else {
      this.#visitAll(node.children);
    }
  }

  #endLine(): void {
    const line = this.#line.trim();
    if (line !== "" && line !== "-") this.#lines.push(line);
    this.#line = "";
  }

  #endBlock(): void {
    this.#endLine();
    this.#sink.paragraph(this.#lines.join("\n"));
    this.#lines = [];
  }
}

function cellsText(nodes: readonly AnyNode[]): string {
  return nodes
    .filter((node) => isTag(node) && (node.name === "td" || node.name === "th"))
    .map((cell) => rawText(cell).replace(/\s+/g, " ").trim())
    .join(" | ");
}

function rawText(node: AnyNode): string {
  if (isText(node)) return node.data;
  if (isTag(node) && node.name === "br") return "\n";
  return "children" in node ? node.children.map(rawText).join("") : "";
}
