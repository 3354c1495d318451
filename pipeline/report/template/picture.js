/* An image, and over it where the model looked: weights of its patches as a shade, salient patches as frames,
   captioned regions as boxes with their texts. */

const DARKEST = 0.8; // over a patch that weighs least

/** The image of a row with an overlay: null, "captioned", "attention", "salient", or the number of a region. */
function picture(row, overlay = null) {
  if (!row.image) {
    return element("span", { class: "none" }, row.error ? "no image" : "the image is not shown");
  }
  const shape = row.width >= row.height ? "wide-one" : "tall-one";
  const frame = element(
    "span",
    { class: `frame ${shape}` },
    element("img", { src: row.image, alt: row.caption ?? row.original ?? row.id, loading: "lazy" }),
  );
  frame.style.aspectRatio = `${row.width} / ${row.height}`;
  if (overlay === "captioned" && row.regions) {
    frame.append(...row.regions.map(boxed));
  } else if (overlay !== null && overlay !== "captioned" && row.looked) {
    frame.append(looked(row.looked, overlay));
  }
  return frame;
}

/** A part of the image, [left, top, width, height] as fractions of it; readers are told of it elsewhere. */
function part(name, box) {
  const made = element("span", { class: name, "aria-hidden": "true" });
  const [left, top, width, height] = box.map((fraction) => `${100 * fraction}%`);
  Object.assign(made.style, { left, top, width, height });
  return made;
}

/** The text stands above the box, or in it at the top of the image; it grows to where there is room. */
function boxed([text, , box], place) {
  const made = part("boxed", box);
  const where = [box[1] < 0.1 && "inside", box[0] > 0.5 && "leftward"].filter(Boolean).join(" ");
  made.append(said("span", where, `${place + 1} ${text}`));
  return made;
}

function looked(where, overlay) {
  const box = part("seen", where.view);
  if (overlay === "salient") {
    box.append(salient(where));
  } else {
    box.append(shade(overlay === "attention" ? where.attention : where.regions[overlay], where.grid));
  }
  return box;
}

/** A pixel for each patch, darker the less it weighs; the browser smooths it as it enlarges it. */
function shade(levels, grid) {
  const canvas = element("canvas", { width: grid, height: grid });
  const drawing = canvas.getContext("2d");
  for (let patch = 0; patch < levels.length; patch += 1) {
    const weight = parseInt(levels[patch], 16) / 15;
    drawing.fillStyle = `rgb(0 0 0 / ${DARKEST * (1 - weight)})`;
    drawing.fillRect(patch % grid, Math.floor(patch / grid), 1, 1);
  }
  return canvas;
}

const SVG = "http://www.w3.org/2000/svg";

function drawn(tag, attributes, text = "") {
  const made = document.createElementNS(SVG, tag);
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  made.textContent = text;
  return made;
}

function salient(where) {
  const svg = drawn("svg", { viewBox: `0 0 ${where.grid} ${where.grid}`, preserveAspectRatio: "none" });
  where.salient.forEach(([row, column], rank) => {
    const place = { x: column + 0.04, y: row + 0.04, width: 0.92, height: 0.92 };
    svg.append(drawn("rect", { ...place, class: "under" }), drawn("rect", place));
    svg.append(drawn("text", { x: column + 0.14, y: row + 0.5 }, String(rank + 1)));
  });
  return svg;
}
