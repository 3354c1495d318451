/* Draws the page, once, from the data that it carries. */

const DATA = JSON.parse(byId("data").textContent);
const HERO = 8;

function drawTop() {
  document.title = `${DATA.title} – MacCap report`;
  byId("title").textContent = DATA.title;
  byId("progress").textContent = DATA.progress;
  if (DATA.fraction !== null) {
    byId("bar").hidden = false;
    byId("bar").value = DATA.fraction;
  }
  const pictured = DATA.rows.flatMap((row, place) => (row.image && row.random ? [place] : [])).slice(0, HERO);
  const open = (row) => showDetails(pictured, row);
  byId("strip").append(...pictured.map((row) => element("li", {}, opener(row, open))));
  byId("strip").hidden = pictured.length < HERO;
  byId("headline").append(
    ...DATA.headline.map(({ value, label, about }) => {
      const term = element("dt", {}, label, about ? element("small", {}, about) : null);
      return element("div", {}, term, element("dd", {}, value));
    }),
  );
  byId("remarks").append(...DATA.remarks.map((remark) => said("li", null, remark)));
}

function drawSections() {
  const open = (rows) => (row) => showDetails(rows, row);
  byId("sections").append(...DATA.sections.map((section) => drawSection(section, open)));
  const others = [{ id: "images", title: "Images" }, { id: "settings", title: "How it was made" }];
  const links = [...DATA.sections, ...others].map(({ id, title }) =>
    element("li", {}, element("a", { href: `#${id}` }, title)),
  );
  byId("sections-nav").firstElementChild.append(...links);
  byId("sample").textContent = DATA.sample;
  byId("facts").append(...facts(DATA.settings));
  byId("written").textContent = `Written ${DATA.written} from ${DATA.run}. This page loads nothing from a network.`;
}

prepareDetails();
drawTop();
drawSections();
prepareGallery();
