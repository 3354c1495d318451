/* A row as a card: its image, its caption, and what is to be known of it at a glance. */

/** A list item; `open` is called with the row's number and the button that was pressed. */
function card(row, open, note = null, overlay = null) {
  const words = element("div", { class: "words" }, saying(row), element("p", { class: "meta" }, glance(row, note)));
  return element("li", { class: "card" }, opener(row, open, overlay), words);
}

/** The image alone, as a button. */
function opener(row, open, overlay = null) {
  const entry = DATA.rows[row];
  const name = `Details: ${entry.caption ?? entry.error ?? entry.id}`;
  const button = element(
    "button",
    { type: "button", class: "open", "aria-haspopup": "dialog", "aria-label": name },
    picture(entry, overlay),
  );
  button.addEventListener("click", () => open(row));
  return button;
}

function saying(row) {
  const entry = DATA.rows[row];
  if (entry.error !== undefined) {
    return said("p", "caption error", entry.error);
  }
  const [answered] = entry.answers ?? [];
  const answer = answered ? `${answered[0]} ${answered[1] ?? "–"}` : entry.id;
  return said("p", "caption", entry.caption ?? entry.original ?? answer);
}

function glance(row, note) {
  const entry = DATA.rows[row];
  const shown = note ?? (entry.score === undefined ? null : score(entry.score));
  return [
    shown && element("span", { title: note === null ? "CLIP score" : null }, shown),
    entry.error === undefined ? null : element("span", { class: "badge bad" }, "error"),
    (entry.flags ?? []).map((flag) => element("span", { class: "badge" }, flag)),
    entry.copies === undefined ? null : element("span", {}, `${number(entry.copies)} alike`),
    (entry.answers ?? []).length > 1 ? element("span", {}, `${entry.answers.length} answers`) : null,
  ];
}
