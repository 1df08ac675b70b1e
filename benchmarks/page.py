"""Does the page answer everybody, how soon, and in how much memory?

    python benchmarks/page.py

`vidgen serve` runs in a process of its own. First a visitor in headless Chromium (where Playwright
and Chromium are installed) asks each family alone for a clip, and it is measured how long it takes
from his click until the clip plays; the first click of a family compiles and stands for itself.
Then many visitors ask at once, by the same requests that a browser makes, hostile ones among them
(`HOSTILE`): truncated pictures, pictures that swell, endless ideas, files that are not theirs. A
request is lost if it has no answer, stuck if it has none in time, crashed if the page has no words
for it, and served or refused wrongly if it is not as it should be. Meanwhile the resident memory of
the page's process is read.

benchmarks/README.md says what it printed.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import importlib.util
import io
import json
import math
import random
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import httpx
import numpy as np
import tyro
from kills import VIDGEN
from PIL import Image

from vidgen.app.studio import Studio
from vidgen.app.words import SUGGESTIONS
from vidgen.atomic import replacing
from vidgen.data import camera_photographs

SCHEMA_VERSION = 1

PATIENCE = 300.0
"""Seconds after which a request is stuck."""

_WARM = 0.2
"""Of the requests, after which memory counts as settled."""

Outcome = Literal["served", "refused", "crashed", "lost", "stuck"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Who is asked, and how often.

    Attributes:
        models: as of `vidgen serve`; by default all of the zoo's that learned from `camera`.
        clicks: in the browser, a family, after the first; 0 leaves the browser out.
        seconds: of each clip.
        requests: in all.
        at_once: how many of them.
        hostile: how many of them are.
        seed: of their order.
        out: where the JSON goes.
    """

    models: tuple[str, ...] = ()
    clicks: int = 5
    seconds: float | int = 3.0
    requests: int = 200
    at_once: int = 8
    hostile: int = 23
    seed: int = 0
    out: Path = Path("page.json")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What a visitor sends.

    Attributes:
        photograph: the bytes of a file, which is sent, or what is said instead of where it lies.
        idea: what is written.
        families: who is asked.
        seconds: of the clip.
        seed: of the draw; None leaves it to the page.
    """

    photograph: bytes | dict[str, Any]
    idea: Any
    families: tuple[Any, ...]
    seconds: Any = 3.0
    seed: Any = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of it.

    Attributes:
        kind: which request it was.
        outcome: how it ended.
        said: why it was refused.
        seconds: that the visitor waited.
    """

    kind: str
    outcome: Outcome
    said: str
    seconds: float


def main(settings: Settings) -> int:
    """Serve, click, ask, print and write."""
    families = Studio(settings.models).generators
    with _serving(settings.models) as (address, process):
        clicks = _clicked(address, families, settings)
        ideas = [english for english, _ in SUGGESTIONS]
        answers, memory = load(
            address, process, families, ideas, _photograph(), settings, told=sys.stderr
        )
    report = {
        "schema_version": SCHEMA_VERSION,
        "settings": dataclasses.asdict(settings) | {"out": settings.out.name},
        "click to clip, s": clicks,
        "load": summary(answers, memory),
    }
    with replacing(settings.out) as partial:
        partial.write_text(json.dumps(report, indent=2) + "\n")
    print(table(report))
    return 0


def load(
    address: str,
    process: int,
    families: Sequence[str],
    ideas: Sequence[str],
    photograph: bytes,
    settings: Settings,
    told: Any = None,
) -> tuple[list[Answer], list[float]]:
    """All requests, so many at once, and the memory of a process after each of them.

    Args:
        address: of the page.
        process: its number.
        families: that are asked in turn.
        ideas: that are understood, asked in turn.
        photograph: the bytes of a picture.
        settings: how many.
        told: where progress goes.

    Returns:
        An answer a request, in the order in which they came, and resident memory then in MiB.
    """
    chance = random.Random(settings.seed)
    kinds = list(HOSTILE)
    wanted = [
        (kinds[i % len(kinds)], HOSTILE[kinds[i % len(kinds)]](photograph, ideas[0], families[0]))
        for i in range(settings.hostile)
    ]
    for i in range(settings.requests - settings.hostile):
        idea, family = ideas[i % len(ideas)], families[i % len(families)]
        asked = Request(
            photograph=photograph, idea=idea, families=(family,), seconds=settings.seconds
        )
        wanted.append((family, asked))
    chance.shuffle(wanted)
    answers, memory, lock = list[Answer](), list[float](), threading.Lock()
    with httpx.Client(base_url=address, timeout=PATIENCE, trust_env=False) as client:
        number = _number(client)

        def ask(named: tuple[str, Request]) -> None:
            answer = _answer(client, number, *named)
            with lock:
                answers.append(answer)
                memory.append(_resident(process))
                if told is not None and len(answers) % 20 == 0:
                    print(f"{len(answers)} answers, {memory[-1]:.0f} MiB", file=told)

        with ThreadPoolExecutor(settings.at_once) as visitors:
            list(visitors.map(ask, wanted))
    return answers, memory


def _answer(client: httpx.Client, number: int, kind: str, request: Request) -> Answer:
    began = time.perf_counter()
    try:
        outcome, said = _asked(client, number, request)
    except httpx.TimeoutException as error:
        outcome, said = "stuck", str(error)
    except httpx.HTTPError as error:
        outcome, said = "lost", str(error)
    took = time.perf_counter() - began
    return Answer(kind=kind, outcome=outcome, said=said, seconds=took)


def _asked(client: httpx.Client, number: int, request: Request) -> tuple[Outcome, str]:
    """One request as a browser makes it: upload, join the queue, listen."""
    picture = request.photograph
    if isinstance(picture, bytes):
        sent = client.post("gradio_api/upload", files={"files": ("p.png", picture)})
        if sent.is_client_error:
            return "refused", sent.text
        picture = {"path": sent.raise_for_status().json()[0], "meta": _META}
    told = [picture, request.idea, request.seconds, list(request.families), "crop"]
    told += [request.seed, request.seed is not None]
    session = secrets.token_hex(8)
    wanted = {"data": told, "fn_index": number, "session_hash": session}
    joined = client.post(  # json= would refuse to send what is no number
        "gradio_api/queue/join",
        content=json.dumps(wanted),
        headers={"content-type": "application/json"},
    )
    if joined.is_client_error:
        return "refused", joined.text
    joined.raise_for_status()
    until = time.perf_counter() + PATIENCE
    with client.stream("GET", "gradio_api/queue/data", params={"session_hash": session}) as lines:
        for line in lines.iter_lines():
            if time.perf_counter() > until:
                return "stuck", "it was never done"
            if not line.startswith("data:"):
                continue
            message = json.loads(line.removeprefix("data:"))
            if message["msg"] == "process_completed":
                output = json.dumps(message["output"])
                if not message["success"]:
                    said = message["output"].get("error")
                    return ("refused", str(said)) if said else ("crashed", "")
                whole = output.count("<video") == len(request.families)
                return ("served", "") if whole else ("lost", "clips are missing")
            if message["msg"] == "unexpected_error":
                return "crashed", str(message.get("message"))
    return "lost", "the connection ended"


def _number(client: httpx.Client) -> int:
    """By which the page knows what its button does."""
    config = client.get("config").raise_for_status().json()
    ids = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
    clicked = [ids["go"], "click"]
    return next(one["id"] for one in config["dependencies"] if clicked in one["targets"])


def _swollen() -> bytes:
    """A picture of few bytes and 1.6 billion pixels."""
    content = io.BytesIO()
    Image.new("1", (8, 8)).save(content, "PNG")
    found = bytearray(content.getvalue())
    found[16:24] = (40_000).to_bytes(4) * 2  # width and height; the checksum is wrong then
    found[29:33] = zlib.crc32(bytes(found[12:29])).to_bytes(4)
    return bytes(found)


def _scanned() -> bytes:
    """A picture of 100 kB and 16 million pixels, which is decoded two thousand times."""
    content = io.BytesIO()
    Image.new("L", (4_000, 4_000), 128).save(content, "JPEG", progressive=True)
    found = content.getvalue()
    return found[:-2] + 2_000 * found[found.rindex(b"\xff\xda") : -2] + found[-2:]


_META = {"_type": "gradio.FileData"}
"""By which Gradio knows a file, and looks where it lies."""

SILENT = ("a file of the server's", "a folder of the server's")
"""What Gradio itself refuses, without a word."""

Hostile = Callable[[bytes, str, str], Request]
"""Of a good photograph, a good idea and a family."""


def _bad(photograph: Any, idea: Any, *families: Any, **more: Any) -> Request:
    return Request(photograph=photograph, idea=idea, families=families, **more)


def _theirs() -> str:
    """A picture that is on the machine of the page, and not the visitor's."""
    return str(camera_photographs.shipped("china"))


HOSTILE: Mapping[str, Hostile] = {
    "empty file": lambda _, idea, family: _bad(b"", idea, family),
    "truncated picture": lambda photo, idea, family: _bad(photo[: len(photo) // 2], idea, family),
    "no picture": lambda _, idea, family: _bad(b"#!/bin/sh\nexit\n" * 99, idea, family),
    "40,000 pixels a side": lambda _, idea, family: _bad(_swollen(), idea, family),
    "30 MB": lambda _, idea, family: _bad(bytes(30 << 20), idea, family),
    "a file of the server's": lambda _, idea, family: _bad(
        {"path": _theirs(), "meta": _META}, idea, family
    ),
    "a folder of the server's": lambda _, idea, family: _bad(
        {"path": "/tmp", "meta": _META}, idea, family
    ),
    "a file by another door": lambda _, idea, family: _bad({"path": _theirs()}, idea, family),
    "an endless file": lambda _, idea, family: _bad({"path": "/dev/zero"}, idea, family),
    "no file": lambda _, idea, family: _bad({"url": "http://127.0.0.1:1/p.png"}, idea, family),
    "no idea": lambda photo, _, family: _bad(photo, " ", family),
    "an idea of 100 kB": lambda photo, idea, family: _bad(photo, idea * 8_000, family),
    "markup": lambda photo, _, family: _bad(photo, "<script>alert(1)</script>", family),
    "no such family": lambda photo, idea, _: _bad(photo, idea, "../../etc"),
    "a list of ideas": lambda photo, idea, family: _bad(photo, [idea] * 9, family),
    "an endless clip": lambda photo, idea, family: _bad(photo, idea, family, seconds=math.inf),
    "a family a thousand times": lambda photo, idea, family: _bad(photo, idea, *[family] * 1_000),
    "a seed of 30 digits": lambda photo, idea, family: _bad(photo, idea, family, seed=10**30),
    "a JPEG of 2,000 scans": lambda _, idea, family: _bad(_scanned(), idea, family),
    "no length": lambda photo, idea, family: _bad(photo, idea, family, seconds="1e999"),
}
"""Requests that are to be refused, by name."""


def summary(answers: Sequence[Answer], memory: Sequence[float]) -> dict[str, Any]:
    """Counts, waits and memory of a load."""
    hostile = [a for a in answers if a.kind in HOSTILE]
    good = [a for a in answers if a.kind not in HOSTILE]
    settled = memory[int(_WARM * len(memory)) :]
    slope = np.polyfit(np.arange(len(settled)), settled, 1)[0] if len(settled) > 1 else 0.0
    waits = [a.seconds for a in good] or [0.0]
    return {
        "good": dict(collections.Counter(a.outcome for a in good)),
        "hostile": dict(collections.Counter(a.outcome for a in hostile)),
        "wrong": [dataclasses.asdict(a) for a in answers if a.outcome not in _right(a.kind)],
        "refusals": {a.kind: a.said[:200] for a in hostile},
        "wait, s": [round(float(np.quantile(waits, q)), 2) for q in (0.5, 0.95, 1.0)],
        "memory, MiB": {
            "settled": round(settled[0], 1),
            "end": round(settled[-1], 1),
            "most": round(max(memory), 1),
            "growth a hundred requests": round(100 * float(slope), 2),
        },
    }


def _right(kind: str) -> tuple[Outcome, ...]:
    if kind not in HOSTILE:
        return ("served",)
    return ("refused", "crashed") if kind in SILENT else ("refused",)


def table(report: Mapping[str, Any]) -> str:
    """What was measured, for people."""
    lines = []
    for family, found in report["click to clip, s"].items():
        first, *rest = found
        lines.append(
            f"{family:<16}from click to clip: median {np.median(rest):.2f} s, most "
            f"{max(rest):.2f} s; first, compiling, {first:.1f} s"
        )
    of = report["load"]
    half, most, all_of_it = of["wait, s"]
    memory = of["memory, MiB"]
    lines += [
        f"good requests {of['good']}, hostile ones {of['hostile']}, wrong {len(of['wrong'])}",
        f"a good one waited {half:.1f} s (median), {most:.1f} s (95%), {all_of_it:.1f} s (most)",
        f"memory {memory['settled']:.0f} MiB after a fifth of them, {memory['end']:.0f} MiB at the "
        f"end; {memory['growth a hundred requests']:+.1f} MiB a hundred requests",
    ]
    return "\n".join(lines)


def _resident(process: int) -> float:
    """MiB; NaN where the system does not say."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return float("nan")


def _photograph() -> bytes:
    """A picture larger than any frame, of no package."""
    y, x = np.mgrid[:480, :640]
    waves = [np.sin(x / a) * np.cos(y / b) for a, b in ((23, 31), (11, 47), (5, 7))]
    content = io.BytesIO()
    Image.fromarray((127 + 120 * np.stack(waves, -1)).astype(np.uint8)).save(content, "PNG")
    return content.getvalue()


@contextlib.contextmanager
def _serving(models: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The address of the page and the number of its process."""
    command = [*VIDGEN, "serve", *(["--models", *models] if models else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("Page: "):
                    # What it says from now on must not fill the pipe.
                    threading.Thread(target=process.stdout.read, daemon=True).start()
                    yield line.split()[1], process.pid
                    break
            else:
                raise RuntimeError("the page did not open; see above")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _clicked(address: str, families: Sequence[str], settings: Settings) -> dict[str, list[float]]:
    """Seconds of each click, a family; the first compiles."""
    if not settings.clicks:
        return {}
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or importlib.util.find_spec("playwright") is None:
        print("no Chromium or no Playwright here: nobody clicks", file=sys.stderr)
        return {}
    from playwright.sync_api import sync_playwright

    found: dict[str, list[float]] = {}
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for family in families:
            # Chromium plays what is on the screen.
            tab = browser.new_page(viewport={"width": 1280, "height": 2400})
            tab.set_default_timeout(PATIENCE * 1e3)
            tab.goto(address, wait_until="domcontentloaded")
            tab.set_input_files(
                "#photo input[type=file]",
                {"name": "p.png", "mimeType": "image/png", "buffer": _photograph()},
            )
            tab.wait_for_selector("#photo img")
            tab.fill("#idea textarea", SUGGESTIONS[0][0])
            for other in families:
                if other != family:
                    tab.get_by_label(other, exact=True).uncheck()
            found[family] = [_click(tab) for _ in range(settings.clicks + 1)]
            tab.close()
        browser.close()
    return found


def _click(tab: Any) -> float:
    tab.evaluate("document.querySelectorAll('#clips video').forEach(v => v.remove())")
    began = time.perf_counter()
    tab.click("#go")
    tab.wait_for_function(
        "[...document.querySelectorAll('#clips video')].some(v => v.currentTime > 0)"
    )
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))
