"""Opens a report in a headless Chromium, as a reader would: it is drawn, it answers to mouse and keyboard, and it asks
for nothing but itself.

    browser_test.py REPORT.html [--running RUNNING.html] [--screenshots DIRECTORY]

REPORT.html is the report of a training that has finished, RUNNING.html the page of one that goes on. Needs chromium,
chromium-driver and python3-selenium of Debian. Exit code: 0 when all is well, 1 when something is not.
"""
import argparse
import base64
import json
import os
import pathlib
import re
import sys
import tempfile
import time

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

WIDTHS = {"desktop": (1280, 900, False), "phone": (360, 740, True)}
SCHEMES = ("light", "dark")

failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print(f"FAILED  {what}", file=sys.stderr)


def start():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    driver.set_page_load_timeout(30)
    return driver


def emulate(driver, width, scheme):
    wide, high, mobile = WIDTHS[width]
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": wide, "height": high, "deviceScaleFactor": 2 if mobile else 1, "mobile": mobile})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                           {"features": [{"name": "prefers-color-scheme", "value": scheme}]})


def load(driver, page):
    for kind in ("browser", "performance"):
        driver.get_log(kind)  # what other pages said and asked for
    driver.get(pathlib.Path(page).resolve().as_uri())
    driver.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done));")


def report_of(page):
    text = pathlib.Path(page).read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="report">(.*?)</script>', text, re.S).group(1))


def check_silence(driver, page, where):
    """No message of the browser, and no request but that for the page."""
    for entry in driver.get_log("browser"):
        check(entry["level"] in ("INFO", "DEBUG"), f"{where}: the browser says: {entry['level']} {entry['message']}")
    own = pathlib.Path(page).resolve().as_uri()
    for entry in driver.get_log("performance"):
        event = json.loads(entry["message"])["message"]
        if event["method"] != "Network.requestWillBeSent":
            continue
        url = event["params"]["request"]["url"]
        check(url.split("#")[0] == own or url.startswith("data:"), f"{where}: asks for {url[:100]}")
    others = driver.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
    check(all(name.startswith("data:") for name in others), f"{where}: has loaded {others}")


# How many different colours a canvas has: 1 where nothing is drawn.
COLOURS = """
  const canvas = arguments[0], pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let i = 0; i < pixels.length; i += 4)
    seen.add(pixels[i] << 24 | pixels[i + 1] << 16 | pixels[i + 2] << 8 | pixels[i + 3]);
  return seen.size;"""


def check_drawn(driver, report, where):
    charts = driver.find_elements(By.CSS_SELECTOR, ".charts canvas")
    expected = 2 + (len(report["invariance"]["curves"]) if report.get("invariance") else 0)
    check(len(charts) == expected, f"{where}: {len(charts)} charts, expected {expected}")
    for chart in charts:
        words = chart.get_attribute("aria-label")
        check(driver.execute_script(COLOURS, chart) > 10, f"{where}: an empty chart: {words}")
        check(len(words) > 30, f"{where}: a chart without words")
    images = driver.find_elements(By.CSS_SELECTOR, "#mistake-list canvas")
    expected = len(report["mistakes"])
    check(len(images) == expected, f"{where}: {len(images)} mistakes, expected {expected}")
    for image in images:
        check(driver.execute_script(COLOURS, image) > 1, f"{where}: an empty image")


def check_layout(driver, where):
    scroll, inner = driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    check(scroll <= inner, f"{where}: the page is {scroll} pixels wide, the window {inner}")
    # What sticks out of the window without a box that scrolls is cut off.
    out = driver.execute_script("""
      return [...document.querySelectorAll('body *')].filter((one) => {
        if (one.closest('.scroll, .drawing, pre, .skip, svg') || getComputedStyle(one).display === 'none') return false;
        const box = one.getBoundingClientRect();
        return box.width > 0 && (box.right > innerWidth + 1 || box.left < -1);
      }).map((one) => one.tagName + '.' + one.className).slice(0, 5)""")
    check(not out, f"{where}: sticks out: {out}")
    # The button of a cell is as wide as the number in it.
    cut = driver.execute_script("""return [...document.querySelectorAll('.matrix button')].filter(
      (one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent)""")
    check(not cut, f"{where}: cells that are too narrow for {cut}")


def contrast(driver):
    """The lowest contrast of text in the page with what lies behind it (WCAG 2: at least 4.5)."""
    return driver.execute_script("""
      const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
      const linear = (v) => v <= 0.03928 * 255 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
      const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
      const hasText = (one) => [...one.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
      let worst = [99, ''];
      for (const one of document.querySelectorAll('h1,h2,h3,p,th,td,dt,dd,small,a,summary,button,figcaption,li')) {
        if (!hasText(one) || one.closest('svg') || !one.offsetWidth) continue;
        let back = [0, 0, 0], layers = [];
        for (let up = one; up; up = up.parentElement) {
          const c = parse(getComputedStyle(up).backgroundColor), alpha = c.length > 3 ? c[3] : 1;
          if (alpha > 0) layers.push([c.slice(0, 3), alpha]);
          if (alpha === 1 && c.length) break;
        }
        for (const [c, alpha] of layers.reverse()) back = back.map((v, i) => v * (1 - alpha) + c[i] * alpha);
        const a = light(parse(getComputedStyle(one).color).slice(0, 3)), b = light(back);
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < worst[0]) worst = [ratio, one.tagName + ' ' + one.textContent.slice(0, 30)];
      }
      return worst;""")


def shown_in_panel(driver):
    panel = driver.find_element(By.ID, "cell")
    if not panel.is_displayed():
        return None
    return panel.get_attribute("data-cell"), len(panel.find_elements(By.CSS_SELECTOR, "canvas.image"))


def check_confusion(driver, report, where):
    matrix = report["evaluation"]["confusion"]
    size = len(matrix)
    pairs = [(matrix[t][p], t, p) for t in range(size) for p in range(size) if t != p]
    number, truth, predicted = max(pairs)
    cells = {(cell["truth"], cell["predicted"]): len(cell["images"]) for cell in report["cells"]}
    expected = cells.get((truth, predicted), 0)
    check(number > 0 and expected == min(number, 60), f"{where}: {expected} images for {number}")

    def button(t, p):
        return driver.find_element(By.CSS_SELECTOR, f'.matrix button[data-cell="{t},{p}"]')

    one = button(truth, predicted)
    check(one.text == str(number), f"{where}: the cell says {one.text}, expected {number}")
    one.click()
    shown = shown_in_panel(driver)
    check(shown == (f"{truth},{predicted}", expected), f"{where}: a click shows {shown}")
    check(one.get_attribute("aria-pressed") == "true", f"{where}: the chosen cell is not marked")
    time.sleep(0.1)
    for image in driver.find_elements(By.CSS_SELECTOR, "#cell canvas.image"):
        check(driver.execute_script(COLOURS, image) > 1, f"{where}: an empty image in the cell")

    # From the first cell along the diagonal, by keys alone; the other cells are not in the way of Tab.
    stops = driver.find_elements(By.CSS_SELECTOR, '.matrix button[tabindex="0"]')
    check(len(stops) == 1, f"{where}: Tab stops at {len(stops)} cells")
    keys = ActionChains(driver)
    driver.execute_script("arguments[0].focus()", one)
    keys.send_keys(Keys.PAGE_UP, Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ENTER).perform()
    active = driver.switch_to.active_element
    check(active.get_attribute("data-cell") == "1,1", f"{where}: the keys lead to {active.get_attribute('data-cell')}")
    check(shown_in_panel(driver) == ("1,1", cells.get((1, 1), 0)), f"{where}: Enter shows {shown_in_panel(driver)}")
    outline = driver.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    check(outline != "none", f"{where}: the focus cannot be seen")
    ActionChains(driver).send_keys(Keys.END, Keys.SPACE).perform()
    shown = shown_in_panel(driver)
    check(shown == (f"1,{size - 1}", cells.get((1, size - 1), 0)), f"{where}: Space shows {shown}")
    one.click()


def check_invariance(driver, report, where):
    """A class beside all: another line in each chart."""
    charts = driver.find_elements(By.CSS_SELECTOR, "#invariance-charts canvas")
    before = [driver.execute_script("return arguments[0].toDataURL()", chart) for chart in charts]
    choice = Select(driver.find_element(By.ID, "invariance-class"))
    choice.select_by_visible_text(report["model"]["classes"][3])
    after = [driver.execute_script("return arguments[0].toDataURL()", chart) for chart in charts]
    check(all(a != b for a, b in zip(before, after)), f"{where}: a class has no lines")
    choice.select_by_value("")
    again = [driver.execute_script("return arguments[0].toDataURL()", chart) for chart in charts]
    check(again == before, f"{where}: the lines of a class stay")


def check_structure(driver, where):
    empty = driver.execute_script("""return [...document.querySelectorAll('section')].filter(
      (one) => one.innerText.split('\\n').length < 2).map((one) => one.id)""")
    check(not empty, f"{where}: sections without content: {empty}")
    broken = driver.execute_script("""return [...document.querySelectorAll('nav a')].filter(
      (one) => !document.getElementById(one.getAttribute('href').slice(1))).length""")
    check(broken == 0, f"{where}: {broken} links lead nowhere")
    twice = driver.execute_script("""const ids = [...document.querySelectorAll('[id]')].map((one) => one.id);
      return ids.filter((id, i) => ids.indexOf(id) !== i)""")
    check(not twice, f"{where}: ids that are there twice: {twice}")
    nameless = driver.execute_script("""return [...document.querySelectorAll('button, select, canvas')].filter((one) =>
      !(one.getAttribute('aria-label') || one.textContent.trim() || (one.labels && one.labels.length))).length""")
    check(nameless == 0, f"{where}: {nameless} controls without a name")
    check(len(driver.find_elements(By.TAG_NAME, "h1")) == 1, f"{where}: not one h1")


def screenshot(driver, folder, name):
    if not folder:
        return
    size = driver.execute_script("return [innerWidth, document.documentElement.scrollHeight]")
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {
        "captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}})
    pathlib.Path(folder, f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


def check_finished(driver, page, folder):
    report = report_of(page)
    for width in WIDTHS:
        for scheme in SCHEMES:
            where = f"{width}, {scheme}"
            emulate(driver, width, scheme)
            load(driver, page)
            dark = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
            check((int(re.findall(r"\d+", dark)[0]) < 128) == (scheme == "dark"), f"{where}: the paper is {dark}")
            check_structure(driver, where)
            check_drawn(driver, report, where)
            check_confusion(driver, report, where)
            check_invariance(driver, report, where)
            check_layout(driver, where)
            ratio, text = contrast(driver)
            check(ratio >= 4.5, f"{where}: contrast {ratio:.2f} of '{text}'")
            driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
            screenshot(driver, folder, f"{width}-{scheme}")
            for details in driver.find_elements(By.TAG_NAME, "details"):
                driver.execute_script("arguments[0].open = true", details)
            check_layout(driver, f"{where}, all open")
            check_silence(driver, page, where)
    # A reader's colours may change while the page is open.
    chart = driver.find_element(By.CSS_SELECTOR, ".charts canvas")
    before = driver.execute_script("return arguments[0].toDataURL()", chart)
    emulate(driver, "phone", "light")
    time.sleep(0.3)
    check(driver.execute_script("return arguments[0].toDataURL()", chart) != before, "charts keep the old colours")
    # What is open stays open when the page is loaded anew.
    driver.execute_script("scrollTo(0, 700)")
    chosen = shown_in_panel(driver)
    driver.refresh()
    time.sleep(0.3)
    check(shown_in_panel(driver) == chosen, f"after a reload the cell is {shown_in_panel(driver)}, it was {chosen}")
    opened = driver.execute_script("return document.querySelectorAll('details[open]').length")
    check(opened == len(driver.find_elements(By.TAG_NAME, "details")), "a reload closes what was open")
    check(abs(driver.execute_script("return scrollY") - 700) < 5, "a reload scrolls")
    check_silence(driver, page, "after a reload")


# What is drawn in canvases: how many there are, how many of them are transparent, how many colours all have.
DRAWN = """
  const seen = new Set();
  let empty = 0;
  for (const canvas of arguments[0].querySelectorAll('canvas')) {
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    if (!pixels.some((value, i) => i % 4 === 3 && value)) ++empty;
    for (let i = 0; i < pixels.length; i += 4) seen.add(pixels[i] << 16 | pixels[i + 1] << 8 | pixels[i + 2]);
  }
  return [arguments[0].querySelectorAll('canvas').length, empty, seen.size];"""


def check_filters(driver, page, folder):
    """Each filter of the report has its picture."""
    filters = report_of(page)["filters"]
    groups = [(layer["name"], layer["filters"]) for layer in filters["layers"] if layer["filters"]]
    if filters["classes"]:
        groups.append(("classes", filters["classes"]["filters"]))
    check(len(groups) > 1, f"only {len(groups)} groups of filters")
    for width in WIDTHS:
        emulate(driver, width, "dark")
        load(driver, page)
        lists = driver.find_elements(By.CSS_SELECTOR, "#filter-list ul.tiles")
        check(len(lists) == len(groups), f"{width}: {len(lists)} groups of filters, expected {len(groups)}")
        for one, (name, members) in zip(lists, groups):
            where = f"{width}, {name}"
            tiles, empty, colours = driver.execute_script(DRAWN, one)
            check(tiles == len(members), f"{where}: {tiles} pictures, expected {len(members)}")
            check(empty == 0, f"{where}: {empty} pictures are not drawn")
            check(colours > 1, f"{where}: all pictures have one colour")
            dead = len(one.find_elements(By.CSS_SELECTOR, "li.dead"))
            check(dead == sum(member["dead"] for member in members), f"{where}: {dead} are marked as dead")
        check_layout(driver, f"{width}, filters")
        screenshot(driver, folder, f"filters-{width}")
    check_silence(driver, page, "filters")


def changed(page, report, directory):
    """The page with another report in it."""
    text = pathlib.Path(page).read_text(encoding="utf-8")
    begin = text.index('<script type="application/json" id="report">') + 44
    other = pathlib.Path(directory, "changed.html")
    other.write_text(text[:begin] + json.dumps(report) + text[text.index("</script>", begin):], encoding="utf-8")
    return other


def check_dead_filter(driver, page):
    report = report_of(page)
    for layer in report["filters"]["layers"]:
        for i, one in enumerate(layer["filters"]):
            one["dead"] = layer is report["filters"]["layers"][0] and i == 3
    with tempfile.TemporaryDirectory() as directory:
        load(driver, changed(page, report, directory))
        dead = driver.find_elements(By.CSS_SELECTOR, "#filter-list .dead")
        check(len(dead) == 1 and "dead" in dead[0].text, "the dead filter is not marked")


def renews_itself(driver, seconds):
    driver.execute_script("window.before = true")
    deadline = time.time() + seconds
    while time.time() < deadline and driver.execute_script("return window.before === true"):
        time.sleep(0.2)
    return driver.execute_script("return window.before !== true")


def check_end(driver, page):
    """What stands in the page when the epochs have ended, and which of these pages follow what comes."""
    report = report_of(page)
    report["message"] = "MESSAGE"
    for state, words, goes_on in (("measuring", "The training has ended; its results are being measured.", True),
                                  ("unmeasured", "stopped before its results were measured. MESSAGE", False),
                                  ("failed", ": MESSAGE", False)):
        report["state"] = state
        with tempfile.TemporaryDirectory() as directory:
            load(driver, changed(page, report, directory))
            said = driver.find_element(By.ID, "state").text
            check(words in said, f"{state}: the page says '{said}'")
            check("running" not in driver.title, f"{state}: the title is {driver.title}")
            check_structure(driver, state)
            check(renews_itself(driver, 10 if goes_on else 4) == goes_on, f"{state}: renews itself or not")


def check_running(driver, page, folder):
    """The page of a training that goes on loads itself anew until that has finished."""
    emulate(driver, "desktop", "light")
    load(driver, page)
    check(report_of(page)["state"] == "training", "the running page's state")
    check("running" in driver.title, f"the running page's title is {driver.title}")
    check_structure(driver, "running")
    check_layout(driver, "running")
    screenshot(driver, folder, "running")
    driver.execute_script("scrollTo(0, 300)")
    check(renews_itself(driver, 10), "the running page does not renew itself")
    check(abs(driver.execute_script("return scrollY") - 300) < 5, "the running page scrolls when it renews itself")
    check_silence(driver, page, "running")


def main():
    parser = argparse.ArgumentParser(description="Opens a report in a headless Chromium.")
    parser.add_argument("report")
    parser.add_argument("--running", help="the page of a training that goes on")
    parser.add_argument("--screenshots", help="a directory for pictures of what is seen")
    given = parser.parse_args()
    if given.screenshots:
        os.makedirs(given.screenshots, exist_ok=True)
    driver = start()
    try:
        check_finished(driver, given.report, given.screenshots)
        check_filters(driver, given.report, given.screenshots)
        check_dead_filter(driver, given.report)
        # A finished page stays as it is.
        emulate(driver, "desktop", "light")
        load(driver, given.report)
        check(not renews_itself(driver, 4), "a finished page renews itself")
        if given.running:
            check_running(driver, given.running, given.screenshots)
            check_end(driver, given.running)
    finally:
        driver.quit()
    print(f"{len(failures)} failures" if failures else "the report is well in Chromium")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
