/* Elements made of data. Texts become text nodes, and so never markup. */

/** A new element with attributes (null, undefined and false are left out) and children: elements, or texts. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : value);
    }
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

/** An element with a text that others wrote, in whatever direction it is written. */
function said(tag, name, text) {
  return element(tag, { class: name, dir: "auto" }, text);
}

function byId(id) {
  return document.getElementById(id);
}

/** A number as people write it, with at most so many digits behind the point. */
function number(value, digits = 0) {
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

function score(value) {
  return value === undefined || value === null ? "–" : value.toFixed(3);
}

const NUMBER = /^([<>] )?-?[\d.,]+( %)?$|^[–-]$/;

/** A table of texts and numbers; columns of numbers are set flush right. */
function table(head, rows, label) {
  const isNumber = head.map((_, column) => rows.every((row) => NUMBER.test(row[column])));
  const looks = (column) => (isNumber[column] ? "number" : null);
  const cell = (value, column) =>
    element(
      "td",
      { class: looks(column), dir: typeof value === "string" ? "auto" : null },
      typeof value === "number" ? number(value, 2) : (value ?? "–"),
    );
  const heads = head.map((title, column) => element("th", { scope: "col", class: looks(column) }, title));
  const drawn = element(
    "table",
    { "aria-label": label },
    element("thead", {}, element("tr", {}, heads)),
    element("tbody", {}, rows.map((row) => element("tr", {}, row.map(cell)))),
  );
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, drawn);
}

/** Terms and what they are, without those that have none. */
function facts(pairs) {
  const present = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return present.flatMap(([term, value]) => [element("dt", {}, term), said("dd", null, String(value))]);
}
