/* The sections: charts, tables and strips of cards, from what the report says of them. */

const drawBlock = {
  columns(block) {
    const peak = Math.max(...block.values);
    const plot = element("div", { class: "plot", role: "img", "aria-label": inWords(block, peak) });
    block.values.forEach((value, place) => {
      const bar = element("i", { title: `${block.labels[place]}: ${number(value, 1)} ${block.unit}` });
      bar.style.height = `${value && peak ? Math.max(0.5, (100 * value) / peak) : 0}%`;
      plot.append(bar);
    });
    return [
      element("p", { class: "peak" }, `at most ${number(peak, 1)} ${block.unit}`),
      plot,
      element("p", { class: "ends", "aria-hidden": "true" }, block.ends.map((end) => element("span", {}, end))),
      asTable(block),
    ];
  },

  bars(block) {
    const peak = Math.max(...block.values);
    const lines = block.values.map((value, place) => {
      const bar = element("i");
      bar.style.width = `${peak ? (100 * value) / peak : 0}%`;
      return element(
        "li",
        {},
        said("span", null, block.labels[place]),
        element("span", { class: "track", "aria-hidden": "true" }, bar),
        element("span", { class: "number" }, number(value, 1)),
      );
    });
    return [element("ul", { class: "lines", "aria-label": `${block.title}, in ${block.unit}` }, lines)];
  },

  table(block) {
    return block.rows.length ? [table(block.head, block.rows, block.title)] : [];
  },

  cards(block, open) {
    const cards = block.rows.map((row, place) => card(row, open(block.rows), block.notes[place]));
    return [element("ul", { class: "cards", "aria-label": block.title }, cards)];
  },
};

const LOOKS = { bars: "block list", table: "block table", cards: "block strip" };

/** A section; `open(rows)` gives what a card of these rows calls to show its row in full. */
function drawSection(section, open) {
  const title = `${section.id}-title`;
  const blocks = section.blocks.map((block) =>
    element(
      "div",
      { class: LOOKS[block.kind] ?? "block" },
      element("h3", {}, block.title),
      block.about ? said("p", "about", block.about) : null,
      drawBlock[block.kind](block, open),
    ),
  );
  return element(
    "section",
    { id: section.id, "aria-labelledby": title },
    element("h2", { id: title }, section.title),
    section.about ? said("p", "about", section.about) : null,
    element("div", { class: "blocks" }, blocks),
  );
}

function inWords(block, peak) {
  const where = block.labels[block.values.indexOf(peak)];
  return `${block.title}: ${block.values.length} bars, the highest at ${where} with ${number(peak, 1)} ${block.unit}`;
}

function asTable(block) {
  const rows = block.labels.map((label, place) => [label, block.values[place]]);
  return element("details", {}, element("summary", {}, "As a table"), table(["", block.unit], rows, block.title));
}
