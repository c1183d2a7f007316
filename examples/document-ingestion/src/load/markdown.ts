import type { Nodes, RootContent, Table } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { toString } from "mdast-util-to-string";
import { gfm } from "micromark-extension-gfm";
import { SectionBuilder, type Section } from "../section.ts";
import { decodeText } from "./decode-text.ts";
import { readHtmlFragment } from "./html.ts";

// A YAML block between two "---" lines at the very top is data about the document, not part of it.
const frontMatter = /^---[^\S\n]*\n[\s\S]*?\n---[^\S\n]*(?:\n|$)/;

/** Markdown with GitHub's tables, task lists and strikethrough; code stays as written, links and images keep their words. */
export function loadMarkdown(bytes: Uint8Array): Section[] {
  const source = decodeText(bytes).replace(/\r\n?/g, "\n").replace(frontMatter, "");
  const tree = fromMarkdown(source, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] });
  const builder = new SectionBuilder();
  for (const node of tree.children) {
    if (node.type === "heading") builder.heading(node.depth, inlineText(node));
    else if (node.type === "html") readHtmlFragment(node.value, builder);
    else builder.paragraph(blockText(node));
  }
  return builder.finish();
}

function blockText(node: RootContent): string {
  switch (node.type) {
    case "code":
      return node.value;
    case "html":
      return htmlText(node.value);
    case "table":
      return tableText(node);
    case "list":
      return node.children.map((item) => `- ${indent(blocksText(item.children))}`).join("\n");
    case "blockquote":
    case "footnoteDefinition":
      return blocksText(node.children);
    case "definition":
    case "thematicBreak":
      return "";
    default:
      return inlineText(node);
  }
}

function blocksText(nodes: readonly RootContent[]): string {
  return nodes
    .map(blockText)
    .filter((text) => text !== "")
    .join("\n");
}

function tableText(table: Table): string {
  return table.children.map((row) => row.children.map(inlineText).join(" | ")).join("\n");
}

function htmlText(html: string): string {
  const texts: string[] = [];
  readHtmlFragment(html, { heading: (_depth, title) => texts.push(title), paragraph: (text) => texts.push(text) });
  return texts.filter((text) => text !== "").join("\n");
}

/** Raw tags inside a line (`<kbd>`, `<a name>`) carry no words of their own; only `<br>` means something. */
function inlineText(node: Nodes): string {
  if (node.type === "break" || (node.type === "html" && /^<br\b/i.test(node.value))) return "\n";
  if ("children" in node) return node.children.map(inlineText).join("");
  return toString(node, { includeHtml: false });
}

function indent(text: string): string {
  return text.replaceAll("\n", "\n  ");
}
