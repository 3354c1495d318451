/* The gallery: rows found by search and filters, in some order, a page at a time. */

const PAGE = 60; // cards drawn at once
const PATIENCE = 150; // milliseconds without a key, after which a search begins

const gallery = { found: [], page: 0, texts: [] };

const KINDS = [
  ["everything", () => true],
  ["the random sample", (row) => row.random],
  ["captions", (row) => row.caption !== undefined],
  ["errors", (row) => row.error !== undefined],
  ["any flag", (row) => row.flags !== undefined],
  ["said of several images", (row) => row.copies !== undefined],
  ["answers", (row) => row.answers !== undefined],
  ["an original caption", (row) => row.original !== undefined],
];

const ORDERS = [
  ["as sampled", null],
  ["highest CLIP score", (row) => -row.score],
  ["lowest CLIP score", (row) => row.score],
  ["most certain", (row) => -row.logprob],
  ["least certain", (row) => row.logprob],
  ["said most often", (row) => -(row.copies ?? 1)],
];

function prepareGallery() {
  const flags = [...new Set(DATA.rows.flatMap((row) => row.flags ?? []))].sort();
  KINDS.push(...flags.map((flag) => [`flag: ${flag}`, (row) => (row.flags ?? []).includes(flag)]));
  fill(byId("which"), KINDS, ([, fits]) => DATA.rows.some(fits));
  fill(byId("order"), ORDERS, ([, key]) => !key || DATA.rows.some((row) => Number.isFinite(key(row))));
  byId("range").hidden = DATA.rows.every((row) => row.score === undefined);
  byId("look-label").hidden = DATA.rows.every((row) => row.looked === undefined);
  gallery.texts = DATA.rows.map(searched);
  let waiting = 0;
  byId("filters").addEventListener("input", (event) => {
    clearTimeout(waiting);
    if (event.target.id === "look") {
      drawPage();
      return;
    }
    waiting = setTimeout(search, event.target.id === "search" ? PATIENCE : 0);
  });
  byId("filters").addEventListener("reset", () => setTimeout(search));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("previous-page").addEventListener("click", () => turn(-1));
  byId("next-page").addEventListener("click", () => turn(1));
  search();
}

/** Options for the entries that apply to some row. */
function fill(select, entries, applies) {
  entries.forEach((entry, place) => {
    if (applies(entry)) select.append(element("option", { value: place }, entry[0]));
  });
}

/** All that a search looks in, in small letters. */
function searched(row) {
  const answers = (row.answers ?? []).flat().filter((part) => typeof part === "string");
  const parts = [row.id, row.caption, row.original, row.reference, row.error, ...answers];
  return parts.filter((part) => part !== undefined).join("\n").toLowerCase();
}

function search() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = KINDS[Number(byId("which").value)][1];
  const key = ORDERS[Number(byId("order").value)][1];
  const lowest = byId("lowest").valueAsNumber;
  const highest = byId("highest").valueAsNumber;
  const outside = (value) => value < lowest || value > highest || value === undefined;
  const bounded = Number.isFinite(lowest) || Number.isFinite(highest);
  gallery.found = [];
  DATA.rows.forEach((row, place) => {
    if (!fits(row) || (bounded && outside(row.score))) return;
    if (words.every((word) => gallery.texts[place].includes(word))) gallery.found.push(place);
  });
  if (key) {
    const keys = gallery.found.map((place) => [place, key(DATA.rows[place])]);
    const last = (value) => (Number.isFinite(value) ? value : Infinity);
    keys.sort((one, other) => last(one[1]) - last(other[1]) || one[0] - other[0]);
    gallery.found = keys.map(([place]) => place);
  }
  gallery.page = 0;
  drawPage();
}

function turn(by) {
  if (byId(by < 0 ? "previous-page" : "next-page").getAttribute("aria-disabled") === "true") return;
  gallery.page += by;
  drawPage();
  byId("count").scrollIntoView({ block: "start" });
}

function drawPage() {
  const { found, page } = gallery;
  const pages = Math.max(1, Math.ceil(found.length / PAGE));
  const first = page * PAGE;
  const shown = found.slice(first, first + PAGE);
  const overlay = byId("look").checked ? "attention" : null;
  const open = (row) => showDetails(found, row);
  byId("cards").replaceChildren(...shown.map((row) => card(row, open, null, overlay)));
  const part = found.length > PAGE ? `, ${number(first + 1)} to ${number(first + shown.length)} shown` : "";
  byId("count").textContent = found.length
    ? `${number(found.length)} of ${number(DATA.rows.length)} images${part}`
    : "No image fits. Search for less, or clear the filters.";
  byId("page-number").textContent = `Page ${number(page + 1)} of ${number(pages)}`;
  setDisabled(byId("previous-page"), page === 0);
  setDisabled(byId("next-page"), page === pages - 1);
  byId("pages").hidden = pages === 1;
}
