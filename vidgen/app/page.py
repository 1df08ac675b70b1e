"""The page: a photograph and an idea to every family, and an arena; by Gradio."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import html
import inspect
import math
import os
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vidgen.app.arena import Arena
from vidgen.app.examples import CAMERA
from vidgen.app.ideas import UnknownIdeaError, short
from vidgen.app.studio import Animated, Animation, Studio
from vidgen.app.words import SUGGESTIONS, language_of, say, suggestion, translations
from vidgen.comparison import video
from vidgen.training.lock import LockError, held

LARGEST_FILE = 25 * 2**20
"""Bytes of a photograph."""

MOST_KEPT = 2**30
"""Bytes of all photographs that are kept for visitors; beyond, the oldest go."""

LONGEST_QUEUE = 32
MOST_VISITORS = 64
"""Whose last clips are kept, and whose pair of the arena, also of those who left."""

LONGEST_WORK = 120.0
"""Seconds of one request, after which no further family begins."""

MOST_SECONDS = 6.0
"""Of a clip."""

_LARGEST_SEED = 2**53
"""Up to which a browser's numbers are whole."""

_WIDTH = 256
"""Pixels a side of a clip as it is shown."""

_PORTS = range(7860, 7960)
"""To listen on, of which the first that is free is taken."""

_UPLOADS = "GRADIO_TEMP_DIR"
"""Names the folder in which Gradio keeps what visitors send."""

_CLEANING, _KEPT_FOR = 60.0, 2 * LONGEST_QUEUE * LONGEST_WORK
"""Seconds between two looks at that folder, and after which a file is removed: the last of a full
queue has had its turn by then."""

_PREFIX = "vidgen-page-"
"""Of that folder's name."""

_STYLE = Path(__file__).parent / "page.css"


def _built(
    gr: Any,
    i18n: Any,
    studio: Studio,
    arena: Arena | None,
    limit: float,
    uploads: Path,
    examples: Mapping[Path, str],
) -> Any:
    """The page, as `gradio.Blocks`."""
    page = gr.Blocks(title="vidgen", analytics_enabled=False)
    with page:
        gr.Markdown(i18n(_of(studio, "title")), elem_id="title")
        with gr.Tabs():
            with gr.Tab(i18n("animate"), id="animate"):
                gr.Markdown(i18n(_of(studio, "intro")))
                _animate_tab(gr, i18n, studio, limit, uploads, examples)
            with gr.Tab(i18n("arena"), id="arena"):
                if arena is None:
                    gr.Markdown(i18n("no_arena"))
                else:
                    _arena_tab(gr, i18n, page, arena)
    page.queue(max_size=LONGEST_QUEUE, default_concurrency_limit=1)
    return page


@contextlib.contextmanager
def served(
    studio: Studio,
    arena: Arena | None,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    limit: float = LONGEST_WORK,
) -> Iterator[str]:
    """The page's address while it is served; what visitors sent is gone afterwards. One page at a
    time in a process, or one within another: Gradio reads from the environment where files go.

    Args:
        studio: who moves what visitors bring.
        arena: what is voted on; None says how to have one.
        host: address to listen on; 0.0.0.0 shows it to the network.
        port: to listen on; None takes a free one from 7860 on.
        limit: see `LONGEST_WORK`.

    Raises:
        ImportError: if Gradio is not installed.
        OSError: if the port is taken, or all of them are, or the host is no address of this
            machine.
        ValueError: for a number that is no port.
    """
    gr = _gradio()
    i18n = gr.I18n(**translations())
    with _folder() as folder:
        before = os.environ.get(_UPLOADS)
        os.environ[_UPLOADS] = str(folder)
        uploads = folder.resolve()
        page, over = None, threading.Event()

        async def opened() -> str:
            nonlocal page
            page = _built(gr, i18n, studio, arena, limit, uploads, examples)
            return _launched(page, host, _PORTS if port is None else (port,), i18n, examples)

        try:
            examples = _examples(studio, uploads)
            # Where no event loop runs, Gradio makes many and closes none. In a thread of its own,
            # since one may run here already.
            with ThreadPoolExecutor(1) as thread:
                address = thread.submit(asyncio.run, opened()).result()
            kept = frozenset(uploads.rglob("*"))  # copies of the examples
            threading.Thread(target=_clean, args=(uploads, kept, over), daemon=True).start()
            yield address
        finally:
            over.set()
            if page is not None:
                page.close(verbose=False)
            os.environ.pop(_UPLOADS, None)
            if before is not None:
                os.environ[_UPLOADS] = before


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder for what visitors send, gone afterwards. Those of pages that were killed go first: a
    lock lies beside each, and outlives it.
    """
    top = Path(tempfile.gettempdir())
    for lock in top.glob(f"{_PREFIX}*.lock"):
        with contextlib.suppress(LockError, OSError), _locked(lock):
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
    folder = top / f"{_PREFIX}{secrets.token_hex(8)}"
    with _locked(folder.with_suffix(".lock")):
        try:
            folder.mkdir(mode=0o700)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _locked(path: Path) -> contextlib.AbstractContextManager[Any]:
    return held(path, advice="it is another page's", say=lambda _: None)


def _clean(uploads: Path, kept: frozenset[Path], over: threading.Event) -> None:
    """Remove what visitors sent some time after, and the oldest of it where it is too much, until
    all is over.
    """
    # Gradio's own cleaning dies of the first thing that it cannot remove.
    while not over.wait(_CLEANING):
        with contextlib.suppress(OSError):
            _remove_old(uploads, kept)


def _remove_old(uploads: Path, kept: frozenset[Path]) -> None:
    found = dict[Path, os.stat_result]()
    for path in uploads.rglob("*"):
        with contextlib.suppress(OSError):
            if path not in kept:
                found[path] = path.stat()
    files = [path for path in found if not path.is_dir()]
    total = sum(found[path].st_size for path in files)
    for path in sorted(files, key=lambda path: found[path].st_mtime):
        if time.time() - found[path].st_mtime < _KEPT_FOR and total <= MOST_KEPT:
            break
        with contextlib.suppress(OSError):
            path.unlink()
            total -= found[path].st_size
    for path in sorted(found, reverse=True):
        with contextlib.suppress(OSError):
            if path.is_dir() and time.time() - found[path].st_mtime >= _KEPT_FOR:
                path.rmdir()


def _launched(
    page: Any, host: str, ports: Sequence[int], i18n: Any, examples: Mapping[Path, str]
) -> str:
    """The address of the page, on the first of these ports that nobody listens on."""
    for port in ports:
        if not _is_free(host, port):
            continue
        with contextlib.suppress(OSError):  # somebody took it meanwhile
            _, address, _ = page.launch(
                server_name=host,
                server_port=port,
                share=False,
                quiet=True,
                prevent_thread_lock=True,
                inbrowser=False,
                max_file_size=LARGEST_FILE,
                allowed_paths=[str(path) for path in examples],
                footer_links=[],
                state_session_capacity=MOST_VISITORS,
                css_paths=_STYLE,
                i18n=i18n,
            )
            return str(address)
    taken = " to ".join(map(str, dict.fromkeys((ports[0], ports[-1]))))
    raise OSError(f"somebody listens on port {taken} already: --port chooses another one")


def _is_free(host: str, port: int) -> bool:
    """Whether nobody listens there. Gradio's own search leaves the sockets of taken ports open, and
    tries all of them where the host is the matter.
    """
    if not 0 < port < 2**16:
        raise ValueError(f"a port is a number from 1 to 65535, got {port}")
    try:
        family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise OSError(f"no page on port {port} of {host}: {error.strerror or error}") from error
    return True


def _questions(
    gr: Any, i18n: Any, studio: Studio, examples: Mapping[Path, str]
) -> tuple[list[Any], Any]:
    """What a visitor tells, in the order in which `_animate_tab` reads it, and the button to go."""
    idea = gr.Textbox(
        label=i18n("idea"),
        placeholder=i18n(_of(studio, "hint")),
        lines=2,
        max_length=2000,
        elem_id="idea",
        render=False,  # examples, which fill it, stand before it
    )
    with gr.Row():
        with gr.Column(scale=2, min_width=280):
            picture = gr.Image(
                label=i18n(_of(studio, "photo")),
                type="filepath",
                sources=["upload", "clipboard"],
                height=280,
                elem_id="photo",
            )
            # The file is handed on unopened: `photo` opens it, and says what is wrong.
            picture.preprocess = lambda sent: None if sent is None else sent.path
            if examples:
                shown = gr.Examples(
                    [[str(path)] for path in examples], [picture], label=i18n("examples")
                ).dataset
                ideas = list(examples.values())
                if any(ideas):
                    # Of many a picture nothing else is true than what became of it.
                    shown.click(
                        lambda picked: (picked and ideas[picked[0]]) or gr.skip(),
                        shown,
                        idea,
                        queue=False,
                        show_progress="hidden",
                        api_name=False,
                    )
        with gr.Column(scale=3, min_width=280):
            idea.render()
            suggested = _understood(studio)
            with gr.Row(elem_id="suggestions", visible=bool(suggested)):
                for number in suggested:
                    _suggest(gr, i18n, number, idea)
            seconds = gr.Slider(
                0.5,
                MOST_SECONDS,
                _half(studio.seconds),
                step=0.5,
                label=i18n("seconds"),
                elem_id="seconds",
            )
            families = gr.CheckboxGroup(
                studio.generators, value=studio.generators, label=i18n("families")
            )
            with gr.Row():
                fit = gr.Radio(
                    [(i18n("crop"), "crop"), (i18n("letterbox"), "letterbox")],
                    value="crop",
                    label=i18n("fit"),
                )
                seed = gr.Number(0, label=i18n("seed"), precision=0, elem_id="seed")
                same = gr.Checkbox(False, label=i18n("again"), elem_id="same")
            go = gr.Button(i18n("go"), variant="primary", elem_id="go")
    # Whatever is sent in place of what can be chosen is refused by `_check_told`, in words.
    for component in (idea, seconds, families, fit, seed, same):
        component.preprocess = lambda sent: sent
    return [picture, idea, seconds, families, fit, seed, same], go


def _animate_tab(
    gr: Any,
    i18n: Any,
    studio: Studio,
    limit: float,
    uploads: Path,
    examples: Mapping[Path, str],
) -> None:
    told, go = _questions(gr, i18n, studio, examples)
    _, idea, _, _, _, seed, same = told
    clips = gr.HTML(elem_id="clips")

    def animate(
        picture: Any,
        idea: Any,
        seconds: Any,
        families: Any,
        fit: Any,
        seed: Any,
        same: Any,
        request: Any,
        progress: Any = gr.Progress(),  # noqa: B008 - how Gradio finds it
    ) -> Iterator[tuple[str, int]]:
        language = language_of(request.headers.get("accept-language"))
        if picture is None:
            raise _refusal(gr, say("no_photo", language))
        if not families:
            raise _refusal(gr, say("no_family", language))
        try:
            _check_told(idea, seconds, families, fit, seed)
            names = studio.chosen(families)
            number = int(seed or 0) if same else secrets.randbelow(1_000_000)
            made = studio.draw(
                _sent(picture, uploads, examples),
                idea or "",
                # Each length that is not one of the slider's would be a program of its own.
                seconds=_half(seconds),
                seed=number,
                generators=names,
                fit=fit,
                limit=limit,
            )
            cards: dict[str, str] = {}  # each clip becomes a file once
            for so_far in made:
                for one in so_far.clips[len(cards) :]:
                    cards[one.generator] = _card(one, so_far, studio, language)
                progress((len(cards), len(names)))
                yield _cards(so_far, names, cards, language), number
        except UnknownIdeaError as error:
            raise _refusal(gr, _hint(str(idea), error, studio, language)) from error
        except (ValueError, LookupError) as error:
            raise _refusal(gr, say("refused", language, why=str(error))) from error

    animate.__annotations__["request"] = gr.Request  # by which Gradio passes it
    # Who types a seed wants it.
    seed.input(None, None, same, js="() => true", api_name=False)
    for event in (go.click, idea.submit):
        # Unwrapped, since a checker's wrapper would hide that it is a generator.
        event(inspect.unwrap(animate), told, [clips, seed], concurrency_id="models", api_name=False)


def _half(seconds: float | int) -> float:
    """The nearest length of the slider."""
    return round(2 * min(max(seconds, 0.5), MOST_SECONDS)) / 2


def _of(studio: Studio, key: str) -> str:
    """The key of a word that photographs have for themselves."""
    return f"camera_{key}" if studio.source == CAMERA else key


def _check_told(idea: Any, seconds: Any, families: Any, fit: Any, seed: Any) -> None:
    """Whether a browser sent what a browser sends.

    Raises:
        ValueError: if not, with what is amiss.
    """
    if not (idea is None or isinstance(idea, str)) or not isinstance(fit, str):
        raise ValueError("an idea is a sentence, and a fit is a word")
    if not isinstance(families, list) or not all(isinstance(name, str) for name in families):
        raise ValueError("families are asked by their names")
    if len(set(families)) < len(families):
        raise ValueError("a family is asked once")
    if not isinstance(seconds, float | int) or not -math.inf < seconds < math.inf:
        raise ValueError("a length is a number of seconds")
    is_whole = isinstance(seed, int) or (isinstance(seed, float) and seed.is_integer())
    if not (seed is None or (is_whole and 0 <= seed <= _LARGEST_SEED)):
        raise ValueError(f"a seed is a whole number from 0 to {_LARGEST_SEED}")


def _hint(idea: str, error: UnknownIdeaError, studio: Studio, language: str) -> str:
    """What to try in place of an idea that is not known, in the visitor's language."""
    known = [suggestion(number, language) for number in _understood(studio)]
    known = known or list(studio.ideas.usual)
    return say("unknown", language, idea=short(idea), known=", ".join(map(repr, known)))


def _sent(path: Any, uploads: Path, examples: Mapping[Path, str]) -> bytes:
    """The content of a file that a visitor sent, or chose among the examples.

    Raises:
        ValueError: for any other file, which a browser may name as well.
    """
    real = Path(str(path)).resolve()
    is_ours = real.is_relative_to(uploads) or real in {path.resolve() for path in examples}
    if not is_ours or not real.is_file():
        raise ValueError("this photograph is not here, or not any more: choose it again")
    with real.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise ValueError(f"a photograph has at most {LARGEST_FILE:,} bytes")
    return content


def _understood(studio: Studio) -> list[int]:
    """The suggestions that these models know."""
    found = []
    for number, both in enumerate(SUGGESTIONS):
        with contextlib.suppress(UnknownIdeaError):
            for said in both:
                studio.ideas.understand(said)
            found.append(number)
    return found


def _suggest(gr: Any, i18n: Any, number: int, idea: Any) -> None:
    """A button that writes a suggestion in the visitor's language."""

    def write(request: Any) -> str:
        return suggestion(number, language_of(request.headers.get("accept-language")))

    write.__annotations__["request"] = gr.Request
    button = gr.Button(i18n(f"suggestion_{number}"), size="sm", min_width=80)
    button.click(write, None, idea, queue=False, show_progress="hidden", api_name=False)


def _arena_tab(gr: Any, i18n: Any, page: Any, arena: Arena) -> None:
    gr.Markdown(i18n("arena_intro"))
    prompt = gr.Markdown(elem_id="prompt")
    with gr.Row():
        left, right = gr.HTML(elem_id="left"), gr.HTML(elem_id="right")
    with gr.Row():
        buttons = [
            (gr.Button(i18n("left"), elem_id="prefer-left"), "first"),
            (gr.Button(i18n("neither"), elem_id="prefer-neither"), "neither"),
            (gr.Button(i18n("right"), elem_id="prefer-right"), "second"),
        ]
    said = gr.Markdown(elem_id="said")
    ticket, visitor = gr.State(""), gr.State(lambda: secrets.token_hex(8))

    def another(request: Any) -> tuple[str, str, str, str]:
        shown = arena.show()
        language = language_of(request.headers.get("accept-language"))
        words = f"**{say('prompt', language)}**: {html.escape(shown.caption)}"
        if shown.given:
            words += f" ({say('with_frame', language)})"
        left, right = (
            _uri(video.encoded(video.enlarge(clip, _scale(clip))[None], ".mp4", fps=shown.fps))
            for clip in (shown.left, shown.right)
        )
        return words, _player(left), _player(right), shown.ticket

    another.__annotations__["request"] = gr.Request

    def vote(preferred: Any) -> Any:
        def voted(ticket: str, visitor: str, request: Any) -> tuple[str, ...]:
            language = language_of(request.headers.get("accept-language"))
            try:
                one, other = arena.vote(ticket, preferred, visitor)
            except (ValueError, OSError) as error:
                return (*another(request), html.escape(str(error)))
            thanks = say("voted", language, left=f"**{one}**", right=f"**{other}**")
            return (*another(request), thanks)

        voted.__annotations__["request"] = gr.Request
        return voted

    shown = [prompt, left, right, ticket]
    page.load(another, None, shown, api_name=False)
    for button, preferred in buttons:
        button.click(
            vote(preferred),
            [ticket, visitor],
            [*shown, said],
            concurrency_id="votes",
            concurrency_limit=8,
            api_name=False,
        )


def _cards(made: Animation, names: list[str], cards: dict[str, str], language: str) -> str:
    """All families' clips, and places for those that are still to come."""
    top, left, bottom, right = made.photo.box
    working = next((name for name in names if name not in cards), None)
    figures = []
    for name in names:
        waits = say("working" if name == working else "waiting", language)
        place = f'<figure><div class="wait">{html.escape(name)} {waits}</div></figure>'
        figures.append(cards.get(name, place))
    said = ""
    if made.understood.by != "sentence":
        meaning = html.escape(made.understood.sentence)
        said = f'<p class="said">{say("understood", language)}: <b>{meaning}</b></p>'
    shape = f"{right - left} / {bottom - top}"
    return f'{said}<div class="clips" style="--shape: {shape}">{"".join(figures)}</div>'


def _card(one: Animated, made: Animation, studio: Studio, language: str) -> str:
    card = studio.cards[one.generator]
    name = f"<b>{html.escape(one.generator)}</b>"
    price = say(
        "price",
        language,
        millions=f"{card.parameters / 1e6:.1f}",
        myriads=f"{card.parameters / 1e4:.0f}",
        budget=str(card.budget),
    )
    if one.clip is None:
        why = say("late", language) if one.is_late else one.error
        return (
            f'<figure><div class="wait">-</div><figcaption>{name}'
            f'<small class="wrong">{html.escape(why)}</small></figcaption></figure>'
        )
    took = say("drawn", language, seconds=f"{one.seconds:.2f}")
    if one.is_first:
        took += f" ({say('compiled', language)})"
    larger = video.resampled(one.clip, _scale(one.clip))
    note = made.note(one.generator)
    uri = _uri(video.encoded(larger[None], ".mp4", fps=made.fps, note=note))
    file = f"{html.escape(one.generator)}-{made.seed}.mp4"
    return (
        f"<figure>{_player(uri)}<figcaption>{name}"
        f"<small>{html.escape(took)}</small><small>{html.escape(price)}</small>"
        f'{say("download", language)}: <a download="{file}" href="{uri}">mp4</a>'
        "</figcaption></figure>"
    )


def _player(uri: str) -> str:
    """A clip that plays, inside the page: nothing is left on the server's disk."""
    return f'<video controls autoplay loop muted playsinline src="{uri}"></video>'


def _scale(clip: UInt8[np.ndarray, "T H W C"]) -> int:
    return max(1, round(_WIDTH / max(clip.shape[1:3])))


def _uri(mp4: bytes) -> str:
    return f"data:video/mp4;base64,{base64.b64encode(mp4).decode()}"


def _examples(studio: Studio, uploads: Path) -> dict[Path, str]:
    """The files of the pictures to begin with, and what each shows. Those that have none are
    written beside what visitors send.
    """
    found = {}
    for example in studio.examples:
        picture = example.picture
        if isinstance(picture, Path):
            path = picture
        else:
            path = uploads / "examples" / f"{example.name}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(video.png(picture))
        found[path] = example.idea
    return found


def _refusal(gr: Any, message: str) -> Exception:
    return gr.Error(html.escape(message), duration=None, print_exception=False)


def _gradio() -> Any:
    # Before the import: nobody is told that a page was opened.
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        import gradio
    except ImportError as error:
        raise ImportError("the page needs Gradio: pip install 'vidgen[app]'") from error
    return gradio
