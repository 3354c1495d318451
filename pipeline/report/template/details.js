/* One row in full, in a dialog: the browser keeps the focus in it, closes it on Escape, and gives focus back. */

const details = { rows: [], place: 0, overlay: "captioned" };

/** Show `row`, one of `rows`, which the dialog's buttons and the arrow keys go through. */
function showDetails(rows, row) {
  details.rows = rows;
  details.place = Math.max(0, rows.indexOf(row));
  drawDetails();
  byId("details").showModal();
}

function prepareDetails() {
  const dialog = byId("details");
  byId("close").addEventListener("click", () => dialog.close());
  byId("previous-image").addEventListener("click", () => step(-1));
  byId("next-image").addEventListener("click", () => step(1));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.target.tagName === "SELECT" || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
}

function step(by) {
  const place = details.place + by;
  if (place >= 0 && place < details.rows.length) {
    details.place = place;
    drawDetails();
    byId("details").scrollTop = 0;
  }
}

function drawDetails() {
  const row = DATA.rows[details.rows[details.place]];
  byId("details-title").textContent = row.id;
  setDisabled(byId("previous-image"), details.place === 0);
  setDisabled(byId("next-image"), details.place === details.rows.length - 1);
  byId("details-body").replaceChildren(stage(row), element("div", {}, inFull(row)));
}

/** As disabled for a reader, and still in focus: a button that loses it would lose the reader's place. */
function setDisabled(button, disabled) {
  button.setAttribute("aria-disabled", disabled);
}

function stage(row) {
  const held = element("div", { class: "stage" });
  const draw = () => held.replaceChildren(picture(row, fitting(row)));
  draw();
  return element("div", {}, held, (row.looked || row.regions) && row.image ? chooser(row, draw) : null);
}

/** The overlay that was chosen last, if this row has it. */
function fitting(row) {
  const { overlay } = details;
  const has = overlay === "captioned" ? row.regions : row.looked;
  return !has || (typeof overlay === "number" && !has.regions?.[overlay]) ? null : overlay;
}

function chooser(row, draw) {
  const regions = row.looked?.regions ?? [];
  const choices = [
    ["nothing over the image", null],
    row.regions && ["captioned regions, the most salient first", "captioned"],
    row.looked && ["attention: how much CLS attends to each patch", "attention"],
    row.looked && ["salient patches, the most salient first", "salient"],
    ...regions.map((_, region) => [`region ${region + 1}: what it gathers`, region]),
  ].filter(Boolean);
  const select = element(
    "select",
    {},
    choices.map(([name, overlay], place) =>
      element("option", { value: place, selected: overlay === fitting(row) }, name),
    ),
  );
  select.addEventListener("change", () => {
    details.overlay = choices[Number(select.value)][1];
    draw();
  });
  return element("label", {}, "Where the model looked", select);
}

function inFull(row) {
  return [
    row.error === undefined ? null : said("p", "says error", row.error),
    row.caption === undefined ? null : said("p", "says", row.caption),
    element("dl", { class: "facts" }, facts(known(row))),
    regionsOf(row),
    answersOf(row),
    candidatesOf(row),
  ];
}

function known(row) {
  return [
    ["CLIP score", row.score === undefined ? null : score(row.score)],
    ["log-probability", row.logprob === undefined ? null : `${row.logprob.toFixed(2)} per word`],
    ["flags", (row.flags ?? []).join(", ")],
    ["images with its words", row.copies === undefined ? null : number(row.copies)],
    ["original caption", row.original],
    ["its CLIP score", row.original_score === undefined ? null : score(row.original_score)],
    ["caption in metadata", row.reference],
    ...Object.entries(row.scores ?? {}).map(([name, value]) => [name, score(value)]),
    ["size", row.width ? `${number(row.width)} × ${number(row.height)} pixels` : null],
    ["shard", row.shard],
    ["place in the shard", row.index],
  ];
}

function regionsOf(row) {
  if (!row.regions) return null;
  const rows = row.regions.map(([text, clip], place) => [`${place + 1} ${text}`, score(clip)]);
  return [element("h3", {}, "Regions"), table(["region", "CLIP score"], rows, "Captions of regions")];
}

function answersOf(row) {
  if (!row.answers) return null;
  const rows = row.answers.map(([question, answer, logprob]) => [question, answer, score(logprob)]);
  return [element("h3", {}, "Answers"), table(["question", "answer", "log-probability"], rows, "Answers")];
}

function candidatesOf(row) {
  if (!row.candidates) return null;
  const place = ([text, clip]) => (text === row.caption ? 4 : 0) + (clip ?? -2);
  const ranked = [...row.candidates].sort((one, other) => place(other) - place(one));
  const rows = ranked.map(([text, clip, logprob]) => [text, score(clip), score(logprob)]);
  return [
    element("h3", {}, "Candidates"),
    table(["candidate", "CLIP score", "log-probability"], rows, "Candidates"),
  ];
}
