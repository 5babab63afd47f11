#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: serve_page.py PORT [SCREENSHOT]

Opens the page of the server at PORT of this machine in Chromium, without a window, and tries every card of it. Prints
what each card answered; SCREENSHOT takes a picture of the page with all answers (PNG). Exit status 1 if a card shows a
problem or nothing, if two cards have one title, or if the page itself reports an error. Environment: UFB_PAGE_WIDTH (1280),
UFB_PAGE_DARK (empty; otherwise the page is dark)."""
import os
import sys

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

SECONDS = 30  # for the page, and for each answer


def open_browser():
    """Chromium in a window of its own size; the names of its programs are Debian's."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    # The sandbox needs rights that containers and root do not have; the page is our own.
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.chrome.service.Service("/usr/bin/chromedriver")
    browser = webdriver.Chrome(service=service, options=options)
    resize(browser, 800)
    dark = "dark" if os.environ.get("UFB_PAGE_DARK") else "light"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                            {"features": [{"name": "prefers-color-scheme", "value": dark}]})
    return browser


def resize(browser, height):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": int(os.environ.get("UFB_PAGE_WIDTH", "1280")), "height": height,
                             "deviceScaleFactor": 1, "mobile": False})


def try_card(browser, card):
    """Submits a card as it comes; returns its title, what it shows, and what is wrong with that, if anything."""
    title = card.find_element(By.TAG_NAME, "h2").text
    card.find_element(By.TAG_NAME, "button").click()
    answer = card.find_element(By.CLASS_NAME, "answer")
    try:
        WebDriverWait(browser, SECONDS).until(
            lambda _: answer.find_elements(By.CSS_SELECTOR, ".wrong, .time"))
    except TimeoutException:
        return title, "", f"no answer in {SECONDS} s"
    # The line of the time that it took is no answer.
    lines = [part.text for part in answer.find_elements(By.XPATH, "./*[not(contains(@class, 'time'))]") if part.text]
    shown = "; ".join(" ".join(line.split()) for line in lines)
    if answer.find_elements(By.CLASS_NAME, "wrong"):
        return title, shown, "it shows a problem"
    return title, shown, None if shown else "it shows no answer"


def check(browser, port, picture):
    """Returns what is wrong with the page, as lines."""
    browser.get(f"http://127.0.0.1:{port}/")
    try:
        WebDriverWait(browser, SECONDS).until(lambda page: page.find_elements(By.CSS_SELECTOR, "#cards section"))
    except TimeoutException:
        return ["the page has no cards, but says: " + browser.find_element(By.ID, "models").text]
    wrong, titles = [], []
    for card in browser.find_elements(By.CSS_SELECTOR, "#cards section"):
        title, shown, problem = try_card(browser, card)
        print(f"{title}: {shown if len(shown) < 100 else shown[:100] + '...'}")
        wrong += [f"{title}: {problem}"] if problem else []
        wrong += [f"{title}: two cards have this title"] if title in titles else []
        titles.append(title)
    wide = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    wrong += [f"the page is {wide} pixels wider than the window"] if wide > 0 else []
    if picture:
        resize(browser, browser.execute_script("return document.documentElement.scrollHeight"))
        browser.save_screenshot(picture)
    wrong += [f"the page reports: {entry['message']}" for entry in browser.get_log("browser")
              if entry["level"] == "SEVERE"]
    print(f"{len(titles)} cards, {len(wrong)} problems")
    return wrong


def main(arguments):
    if len(arguments) not in (1, 2) or not arguments[0].isdigit():
        print(__doc__, file=sys.stderr)
        return 2
    browser = open_browser()
    try:
        wrong = check(browser, arguments[0], arguments[1] if len(arguments) == 2 else None)
    finally:
        browser.quit()
    for line in wrong:
        print(f"FAIL: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
