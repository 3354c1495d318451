"""page.py and template/: the page in a headless Chromium, from a file, as people and readers use it."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.report.page import page
from pipeline.report.report import ReportConfig, write_report
from tests.pipeline.report.made_runs import captioned, data_of, finish, write_pictures, write_run

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-playwright-python")
CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}")

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror='document.title=`owned`'></script> \u2028 \"&"
)
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1440, "height": 900}

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Path:
    """Of 150 rows with 8 pictures, where it looked, errors, flags, copies and hostile texts."""
    folder = tmp_path_factory.mktemp("report")
    source = write_pictures(folder / "pictures", 8)
    rows = [captioned(n, f"a dog {n} on the beach with cat {n % 50}") for n in range(140)]
    rows += [captioned(n, None, error=f"damaged image: {HOSTILE}") for n in range(140, 150)]
    rows[8] = captioned(8, HOSTILE, image_id=f"../{HOSTILE}", metadata=json.dumps({"caption": HOSTILE}))
    rows[9] = captioned(9, "مرحبا \u202e evil\x07\n\n line " + "x" * 500)
    rows[10] = captioned(10, "a dog and a")
    rows[11] = captioned(11, "a dog and a")
    regions = [
        {"text": HOSTILE, "score": 0.25, "patch": 0, "box": [0.0, 0.0, 0.5, 0.25]},
        {"text": "a dog", "score": float("nan"), "patch": 9, "box": [0.5, 0.5, 0.25, 0.5]},
    ]
    rows[1] |= {"region_captions": regions}
    stages = ("decode", "features", "candidates", "rerank", "region_captions")
    finish(write_run(folder / "run", source, rows, small_bundle, stages=stages))
    write_report(str(folder / "run"), str(folder / "page"), ReportConfig())
    return folder / "page"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Opens a file; at the end no console message, no error, and no request but for files is accepted."""
    troubles: list[str] = []
    contexts = []

    def opened(file: Path, viewport: dict[str, int] = DESKTOP, scheme: str = "light") -> Any:
        context = browser.new_context(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: troubles.append(message.text))
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.on("request", lambda asked: asked.url.startswith("file:") or troubles.append(asked.url))
        tab.goto(file.as_uri())
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


def test_search_filters_order_and_pages(report: Path, open_page: Open) -> None:
    tab = open_page(report / "index.html")
    cards, count = tab.locator("#cards > li"), tab.locator("#count")
    assert cards.count() == 60
    assert count.inner_text() == "150 of 150 images, 1 to 60 shown"
    tab.click("#next-page")
    tab.click("#next-page")
    assert cards.count() == 30
    assert tab.inner_text("#page-number") == "Page 3 of 3"
    assert tab.get_attribute("#next-page", "aria-disabled") == "true"
    tab.fill("#search", "BEACH  49")
    sync_api.expect(count).to_have_text("2 of 150 images")
    tab.fill("#search", "")
    tab.select_option("#which", label="errors")
    sync_api.expect(count).to_have_text("10 of 150 images")
    tab.select_option("#which", label="flag: cut")
    sync_api.expect(count).to_have_text("2 of 150 images")
    assert "2 alike" in cards.first.inner_text()
    tab.select_option("#which", label="everything")
    tab.fill("#lowest", "0.29")
    tab.select_option("#order", label="highest CLIP score")
    sync_api.expect(count).to_have_text("10 of 150 images")
    assert "0.299" in cards.first.inner_text()
    tab.fill("#search", "nowhere")
    sync_api.expect(count).to_have_text("No image fits. Search for less, or clear the filters.")
    tab.click("button[type=reset]")
    sync_api.expect(count).to_have_text("150 of 150 images, 1 to 60 shown")


def test_hostile_texts_are_shown_as_texts(report: Path, open_page: Open) -> None:
    tab = open_page(report / "index.html")
    assert "owned" not in tab.title()
    tab.fill("#search", "onerror script")
    tab.select_option("#which", label="captions")
    sync_api.expect(tab.locator("#count")).to_have_text("1 of 150 images")
    assert tab.locator("#cards .caption").text_content() == HOSTILE
    tab.locator("#cards .open").click()
    assert tab.locator("#details-title").text_content() == f"../{HOSTILE}"
    assert HOSTILE in tab.locator("#details-body .facts dd").all_text_contents()  # of the metadata
    assert tab.locator("img[src=x]").count() == 0
    assert tab.locator("script").count() == 2
    assert "owned" not in tab.title()


def test_the_policy_stops_what_is_not_the_pages_own(report: Path, browser: Any) -> None:
    text = (report / "index.html").read_text()
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy[1]
    tab = browser.new_page()
    tab.goto((report / "index.html").as_uri())
    tab.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'document.title = `owned`';"
        " document.body.append(s); }"
    )
    assert "owned" not in tab.title()
    tab.close()


def test_the_dialog_keeps_focus_and_gives_it_back(report: Path, open_page: Open) -> None:
    tab = open_page(report / "index.html")
    tab.select_option("#order", label="lowest CLIP score")
    opener = tab.locator("#cards .open").first
    opener.focus()
    tab.keyboard.press("Enter")
    dialog, title = tab.locator("dialog"), tab.locator("#details-title")
    sync_api.expect(dialog).to_be_visible()
    first = title.inner_text()
    tab.keyboard.press("ArrowRight")
    assert title.inner_text() != first
    tab.keyboard.press("ArrowLeft")
    assert title.inner_text() == first
    for _ in range(12):
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.closest('dialog, body').tagName") in ("DIALOG", "BODY")
        assert tab.evaluate("document.activeElement.closest('main') === null")
    tab.keyboard.press("Escape")
    sync_api.expect(dialog).to_be_hidden()
    assert opener.evaluate("button => button === document.activeElement")


def test_where_the_model_looked_is_drawn_over_the_image(report: Path, open_page: Open) -> None:
    tab = open_page(report / "index.html")
    assert tab.locator(".seen").count() == 0
    tab.check("#look")
    sync_api.expect(tab.locator("#cards .seen canvas").first).to_be_attached()
    tab.locator("#cards .open:has(img)").first.click()
    choices = tab.locator("dialog select option").all_inner_texts()
    assert [choice.split(":")[0].split(",")[0] for choice in choices] == [
        *("nothing over the image", "attention", "salient patches"),
        *("region 1", "region 2", "region 3", "region 4"),
    ]
    tab.select_option("dialog select", index=2)
    assert tab.locator("dialog svg text").first.text_content() == "1"
    tab.select_option("dialog select", index=6)
    assert tab.locator("dialog canvas").get_attribute("width") == "4"


def test_ten_thousand_rows_draw_a_page_at_a_time(report: Path, open_page: Open, tmp_path: Path) -> None:
    data = data_of(report)
    row = next(row for row in data["rows"] if row["id"] == "0001.jpg")
    data["rows"] = [{**row, "id": f"{n}", "caption": f"caption {n} of many"} for n in range(10_000)]
    (tmp_path / "images").symlink_to(report / "images")
    (tmp_path / "index.html").write_text(page(data))
    tab = open_page(tmp_path / "index.html")
    assert tab.inner_text("#page-number") == "Page 1 of 167"
    assert tab.locator("#cards > li").count() == 60
    tab.click("#next-page")
    assert tab.locator("#cards > li").count() == 60
    assert tab.locator("#cards .caption").first.inner_text() == "caption 60 of many"
    tab.fill("#search", "caption 9999")
    sync_api.expect(tab.locator("#count")).to_have_text("1 of 10,000 images")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_no_serious_fault(
    report: Path, open_page: Open, viewport: dict[str, int], scheme: str
) -> None:
    tab = open_page(report / "index.html", viewport, scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    faults = _faults(tab)
    tab.locator("#cards .open:has(img)").first.click()
    assert faults + _faults(tab) == []


def _faults(tab: Any) -> list[str]:
    found = axe.Axe().run(tab).response["violations"]
    return [
        f"{fault['id']}: {fault['nodes'][0]['html']}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


def test_captioned_regions_are_boxes_with_their_texts(report: Path, open_page: Open) -> None:
    tab = open_page(report / "index.html")
    tab.fill("#search", "0001.jpg")
    sync_api.expect(tab.locator("#cards .open")).to_have_count(1)
    tab.locator("#cards .open").first.click()
    boxes = tab.locator("#details .boxed")
    assert [text.split(" ", 1) for text in boxes.all_text_contents()] == [["1", HOSTILE], ["2", "a dog"]]
    frame = tab.locator("#details .frame").bounding_box()
    box = boxes.last.bounding_box()
    assert box["x"] == pytest.approx(frame["x"] + frame["width"] / 2, abs=1)
    assert box["height"] == pytest.approx(frame["height"] / 2, abs=1)
    cells = tab.get_by_role("region", name="Captions of regions").locator("td").all_text_contents()
    assert cells == [f"1 {HOSTILE}", "0.250", "2 a dog", "–"]
    assert "owned" not in tab.title()
    assert axe.Axe().run(tab).response["violations"] == []
    tab.locator("#details select").select_option(label="nothing over the image")
    assert boxes.count() == 0
