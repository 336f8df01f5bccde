"""The console in a real browser: the playground, the plan, the live view, its doors, and the demonstration."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from backends.openai import OpenAIBackend
from backends.server import Status
from browsing import AXE, CHROMIUM, Console, chromium, pixels
from conftest import needs
from PIL import Image, ImageChops
from playwright.sync_api import Browser, expect
from processes import running
from serving import ROOT, serving

pytestmark = [
    needs(CHROMIUM, "sh tests/system-packages.sh"),
    needs(str(AXE.relative_to(ROOT)), "make tests/clients/js/node_modules/.installed"),
]

SIZE = "256 \N{MULTIPLICATION SIGN} 256"
KEY, GUEST = "key-of-the-studio", "key-of-a-guest"
MARKUP = "<img/src=x/onerror=alert(1)>"
SPEC = {"circuit": {"failures": 50}, "cooldown": {"first": "2s", "most": "2s"}}


def config(backend: str, **server: Any) -> dict[str, Any]:
    """Two models that draw, one that begins with a backend which may fail, one with a name that is markup."""
    keys = [
        {"name": "studio", "key": KEY, "dry_run": True, "watch": True},
        {"name": "guest", "key": GUEST, "models": ["sketch"]},
    ]
    return {
        "server": {"console": True, "console_prompts": True, "keys": keys, **server},
        "defaults": {**SPEC, "retry": {"count": 0}},
        "providers": {
            "sketch": {"kind": "sketch"},
            "shaky": {"kind": "openai", "base_url": backend, "api_key": "sk-1"},
        },
        "models": {
            "sketch": {"chain": [{"target": "sketch/sketch", "price": {"image": 0.02}}]},
            "fast": {"chain": ["sketch/sketch-fast"]},
            "shaky": {"chain": ["shaky/gpt-image-2", "sketch/sketch"]},
            MARKUP: {"chain": ["sketch/sketch"]},
        },
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def backend() -> Iterator[OpenAIBackend]:
    """The one that fails when told to."""
    with OpenAIBackend() as started:
        yield started


@pytest.fixture(scope="module")
def router(backend: OpenAIBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A router with the console on."""
    with serving(config(backend.url), tmp_path_factory.mktemp("router")) as url:
        yield url


def _page(browser: Browser, url: str, **options: Any) -> Iterator[Console]:
    context = browser.new_context(**options)
    console = Console(context.new_page(), url)
    yield console
    context.close()
    assert (console.said, console.strayed) == ([], [])


@pytest.fixture
def console(browser: Browser, router: str) -> Iterator[Console]:
    """A page that complains of nothing and fetches nothing from elsewhere, which is seen to at the end."""
    yield from _page(browser, router)


def test_a_prompt_becomes_a_picture_with_its_facts(console: Console) -> None:
    """Signed in, a caller sees what was drawn: pixels, format, bytes, cost and who drew it."""
    console.sign_in(KEY)
    card = console.ask("a kite over a field", "sketch").locator(".card")
    expect(card.locator(".pixels")).to_have_text(SIZE)
    expect(card.locator(".format")).to_have_text("png")
    expect(card.locator(".bytes")).to_contain_text("kB")
    expect(card.locator(".sum")).to_contain_text("sketch/sketch")
    expect(card.locator(".sum .cost")).to_have_text("$0.02")
    assert pixels(card.locator("img")).size == (256, 256)


def test_a_wrong_key_opens_nothing(browser: Browser, router: str) -> None:
    """It is refused in words, and the page shows no model."""
    context = browser.new_context()
    console = Console(context.new_page(), router).open()
    console.page.get_by_label("Key", exact=True).fill("another")
    console.page.get_by_role("button", name="Sign in").click()
    expect(console.page.get_by_role("alert").filter(has_text="not known")).to_be_visible()
    expect(console.page.locator(".model")).to_have_count(0)
    assert all("401" in each for each in console.said)
    context.close()


def test_early_looks_come_before_the_picture(console: Console) -> None:
    """A streamed request shows what it has as it comes, and ends with the picture and its waterfall."""
    console.sign_in(KEY)
    console.page.evaluate("""() => {
      window.early = new Set();
      const look = () => {
        for (const each of document.querySelectorAll(".early figcaption")) window.early.add(each.textContent);
      };
      new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
    }""")
    console.page.locator("#stream").check()
    card = console.ask("a fox under a birch", "sketch").locator(".card")
    expect(card.locator(".pixels")).to_have_text(SIZE)
    expect(card.locator(".waterfall li.drew")).to_contain_text("sketch/sketch")
    assert console.page.evaluate("() => [...window.early]") == ["Early look 1", "Early look 2"]


def test_an_edit_changes_what_was_painted_and_nothing_else(console: Console) -> None:
    """A mask painted with the brush, partly erased and undone, is what changes, to the pixel."""
    console.sign_in(KEY)
    page = console.page
    first = console.ask("a lighthouse at dusk", "sketch").locator(".card")
    before = pixels(first.locator("img"))
    first.get_by_role("button", name="Edit this").click()
    page.get_by_role("button", name="Paint a mask").click()
    box = page.locator("canvas.paint").bounding_box()
    assert box is not None

    def stroke(*points: tuple[float, float]) -> None:
        at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        page.mouse.move(*at[0])
        page.mouse.down()
        for point in at[1:]:
            page.mouse.move(*point, steps=6)
        page.mouse.up()

    stroke((0.3, 0.4), (0.6, 0.4))
    stroke((0.8, 0.9), (0.9, 0.9))
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Eraser").click()
    stroke((0.6, 0.3), (0.6, 0.5))
    page.get_by_role("button", name="Use mask").click()
    second = console.ask("a red balloon", "sketch", size=None).locator(".card")
    expect(second.locator(".pixels")).to_have_text(SIZE)
    changed = (
        ImageChops.difference(before, pixels(second.locator("img")))
        .convert("L")
        .point(lambda value: 255 if value else 0)
    )
    reach = 0.04 * 256  # half the brush
    left, top, right, bottom = changed.getbbox() or (0, 0, 0, 0)
    assert left == pytest.approx(0.3 * 256 - reach, abs=2)
    assert right == pytest.approx(0.6 * 256 - reach, abs=2)
    assert (top, bottom) == (pytest.approx(0.4 * 256 - reach, abs=2), pytest.approx(0.4 * 256 + reach, abs=2))
    inside = changed.crop((left + 8, top + 3, right - 8, bottom - 3)).histogram()
    assert inside[255] > 0.9 * sum(inside)


def test_two_models_stand_side_by_side(console: Console) -> None:
    """One prompt goes to both, and each has its own result in the same row."""
    console.sign_in(KEY)
    run = console.ask("a teapot", "sketch", "fast")
    expect(run.locator(".pixels")).to_have_count(2)
    boxes = [run.locator(".card").nth(index).bounding_box() for index in range(2)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] < boxes[1]["x"]


def test_the_waterfall_tells_of_a_fallback_and_the_live_view_of_its_cause(
    console: Console, backend: OpenAIBackend
) -> None:
    """A limited target is seen to fail, to cool and to recover; the request moved on to the next."""
    console.sign_in(KEY)
    backend.script(Status(429, headers={"retry-after": "2"}))
    card = console.ask("a harbour in fog", "shaky", size="1024x1024").locator(".card")
    steps = card.locator(".waterfall li")
    expect(steps).to_have_count(2)
    expect(steps.nth(0)).to_contain_text("shaky/gpt-image-2")
    expect(steps.nth(0)).to_contain_text("429 rate limited")
    expect(steps.nth(1)).to_contain_text("fallback")
    expect(steps.nth(1)).to_contain_text("drew")
    bars = [steps.nth(index).locator("i").bounding_box() for index in range(2)]
    assert bars[0] is not None
    assert bars[1] is not None
    assert bars[0]["x"] < bars[1]["x"]
    backend.script(Status(429, headers={"retry-after": "3"}))
    console.live()
    target = console.page.get_by_role("list", name="Chain of shaky").locator(".target").first
    expect(target).to_have_attribute("data-state", "healthy")
    httpx.post(f"{console.url}/v1/images/generations", json={"model": "shaky", "prompt": "fog"}, headers=bearer(KEY))
    expect(target).to_have_attribute("data-state", "cooling")
    expect(target).to_contain_text("rate limited")
    expect(target).to_have_attribute("data-state", "healthy")
    row = console.page.locator(".recent summary").first
    expect(row).to_contain_text("fallback")
    row.click()
    expect(console.page.locator(".recent .waterfall li.failed").first).to_contain_text("shaky/gpt-image-2")


def test_a_broken_config_is_told_with_its_place(browser: Browser, backend: OpenAIBackend, tmp_path: Path) -> None:
    """The file with a mistake is named with line and column, what is served says so, and it goes when mended."""
    with running(config(backend.url), tmp_path) as router:
        for console in _page(browser, router.url):
            console.sign_in(KEY).live()
            good = router.file.read_text()
            router.file.write_text(good.replace("kind: sketch", "kind: scetch"))
            line = good[: good.index("kind: sketch")].count("\n") + 1
            banner = console.page.locator(".banner")
            expect(banner).to_contain_text(f"{router.file}:{line}:")
            expect(banner).to_contain_text("scetch")
            router.file.write_text(good)
            expect(banner).to_have_count(0)


def test_the_keyboard_is_enough(console: Console) -> None:
    """From the door to a picture, a painted mask and an opened request without a pointer."""
    page = console.open().page
    keys = page.keyboard
    expect(page.get_by_label("Key", exact=True)).to_be_focused()
    keys.type(KEY)
    keys.press("Enter")
    expect(page.get_by_role("tab", name="Playground")).to_be_focused()

    def tab_to(selector: str) -> None:
        for _ in range(40):
            keys.press("Tab")
            if page.locator(selector).evaluate("(element) => element === document.activeElement"):
                return
        pytest.fail(f"no way to {selector}")

    tab_to("#prompt")
    keys.type("a bicycle")
    tab_to('.models input[value="fast"]')
    keys.press("Space")
    keys.press("Control+Enter")
    expect(page.locator(".run .pixels")).to_have_count(2)
    page.locator(".run .card button", has_text="Edit this").first.focus()
    keys.press("Enter")
    expect(page.locator('input[value="edit"]')).to_be_checked()
    page.get_by_role("button", name="Paint a mask").focus()
    keys.press("Enter")
    expect(page.locator("canvas.paint")).to_be_focused()
    keys.down("Space")
    keys.press("ArrowRight")
    keys.up("Space")
    page.get_by_role("button", name="Use mask").focus()
    keys.press("Enter")
    expect(page.get_by_role("button", name="Change the mask")).to_be_visible()
    page.get_by_role("tab", name="Playground").focus()
    keys.press("ArrowRight")
    expect(page.get_by_role("tab", name="Live")).to_be_focused()
    tab_to(".recent li:first-child summary")
    keys.press("Enter")
    expect(page.locator(".recent .waterfall").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 390])
def test_nothing_keeps_people_out(browser: Browser, router: str, scheme: Any, width: int) -> None:
    """No serious finding of axe-core, at the door, with results and a plan, or in the live view."""
    for console in _page(browser, router, color_scheme=scheme, viewport={"width": width, "height": 800}):
        assert console.open().serious() == []
        console.sign_in(KEY)
        expect(console.ask("an owl", "shaky", "sketch", size="1024x1024").locator(".waterfall")).to_have_count(2)
        console.page.get_by_role("button", name="Explain").click()
        expect(console.page.locator(".plan")).to_have_count(2)
        assert console.serious() == []
        console.live()
        console.page.locator(".recent summary").first.click()
        assert console.serious() == []
        console.page.get_by_role("tab", name="Playground").click()
        console.page.get_by_role("button", name="Edit this").first.click()
        console.page.get_by_role("button", name="Paint a mask").click()
        assert console.serious() == []
        assert console.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_the_plan_comes_before_the_spending(console: Console, backend: OpenAIBackend) -> None:
    """Explaining says who would be asked, for how much, and asks nobody."""
    console.sign_in(KEY)
    before = len(backend.ledger)
    console.choose("shaky")
    console.page.get_by_label("Prompt").fill("an owl")
    console.page.get_by_role("button", name="Explain").click()
    plan = console.page.locator(".plan")
    expect(plan).to_contain_text("Would go to shaky/gpt-image-2")
    plan.locator("summary").first.click()
    expect(plan.locator("pre").first).to_contain_text("POST")
    assert len(backend.ledger) == before


def test_markup_stays_text(console: Console) -> None:
    """A model's name and a prompt with markup in them are shown as they were written."""
    prompt = "<b>bold</b><script>alert(1)</script>"
    console.sign_in(KEY)
    run = console.ask(prompt, MARKUP)
    expect(run.locator(".pixels")).to_have_count(1)
    expect(run.locator("h3")).to_have_text(prompt)
    expect(run.locator("h4")).to_have_text(MARKUP)
    console.live()
    console.page.locator(".recent summary").first.click()
    expect(console.page.locator(".recent blockquote").first).to_have_text(prompt)
    expect(console.page.locator(".route h4", has_text=MARKUP)).to_have_count(1)
    assert console.page.locator("img[src=x], .recent b, .run h3 b").count() == 0


def test_a_key_that_may_not_watch_sees_its_own_requests_only(console: Console) -> None:
    """Neither chains nor what others ask; what it asks itself is there."""
    httpx.post(f"{console.url}/v1/images/generations", json={"model": "fast", "prompt": "mine"}, headers=bearer(KEY))
    console.sign_in(GUEST)
    expect(console.page.locator(".models .name")).to_have_text(["sketch"])
    run = console.ask("a guest's owl", "sketch")
    expect(run.locator(".waterfall")).to_have_count(1)
    console.live()
    expect(console.page.locator(".recent .asked")).to_have_text(["sketchcreate"])
    expect(console.page.locator(".target")).to_have_count(0)


def bearer(key: str) -> dict[str, str]:
    """The header of a key."""
    return {"authorization": f"Bearer {key}"}


def test_without_a_key_nothing_is_told(router: str) -> None:
    """The page itself knows no model, and what fills it takes a key."""
    page = httpx.get(f"{router}/console")
    assert page.status_code == 200
    assert "shaky" not in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert httpx.get(f"{router}/console/live").status_code == 401
    assert httpx.get(f"{router}/console/live", headers=bearer("another")).status_code == 401


def test_prompts_are_kept_only_where_ops_say_so(backend: OpenAIBackend, tmp_path: Path) -> None:
    """Without `console_prompts` the live view tells of a request without its words."""
    with serving(config(backend.url, console_prompts=False), tmp_path) as url:
        body = {"model": "fast", "prompt": "a secret owl", "size": "256x256"}
        assert httpx.post(f"{url}/v1/images/generations", json=body, headers=bearer(KEY)).status_code == 200
        with httpx.stream("GET", f"{url}/console/live", headers=bearer(KEY)) as live:
            lines = live.iter_lines()
            assert next(lines) == "event: request"
            told = next(lines)
        assert '"model":"fast"' in told
        assert "owl" not in told


def test_a_console_that_is_off_is_not_there(tmp_path: Path) -> None:
    """Its paths answer as any that does not exist, whatever the method."""
    off = {"providers": {"sketch": {"kind": "sketch"}}, "models": {"m": {"chain": ["sketch/sketch"]}}}
    with serving(off, tmp_path) as url:
        for method in ("GET", "POST"):
            for path in ("/console", "/console/", "/console/app.js", "/console/live"):
                there = httpx.request(method, f"{url}{path}")
                assert (there.status_code, there.json()["error"]["code"]) == (404, "not_found")


def test_the_demonstration_shows_a_fallback_within_a_minute(browser: Browser) -> None:
    """From `image-router demo`, without a key, the live view fills by itself."""
    with subprocess.Popen(
        [sys.executable, "-m", "router", "demo", "--port", "0"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        try:
            assert demo.stdout is not None
            url = demo.stdout.readline().split("console is at ")[1].split("/console")[0]
            for console in _page(browser, url):
                console.open("#live")
                expect(console.page.locator(".recent .outcome.moved").first).to_be_visible(timeout=60_000)
                expect(console.page.locator(".target").first).to_be_visible()
        finally:
            demo.kill()


def test_the_shipped_pictures_are_small() -> None:
    """The README's pictures of the console are there, and light to load."""
    images = sorted((ROOT / "docs" / "images").glob("console-*.png"))
    assert len(images) == 8
    for image in images:
        assert image.stat().st_size < 300_000
        with Image.open(image) as opened:
            assert opened.width in {390, 1360}
