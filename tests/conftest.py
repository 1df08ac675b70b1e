"""Strict tests: warnings are errors, implicit broadcasting raises, shapes are checked."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from fractions import Fraction
from http.server import HTTPServer

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# What a shell starts in the background ignores Ctrl-C, with all that it starts in turn: tests that
# strike with it would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _compile_faster() -> None:
    """A third off what compiling costs where most optimisations are off; XLA's older way to fuse.
    And a tenth: two workers keep two cores busy, where cutting a program up to compile its pieces
    side by side gains nothing and costs the cutting.

    XLA ends a process that names a flag it does not know, so that one process asks first; the
    workers, and whatever tests start, inherit the answer.
    """
    flag = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    if flag in os.environ.get("XLA_FLAGS", "") or "PYTEST_XDIST_WORKER" in os.environ:
        return
    flags = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
    probe = [sys.executable, "-c", "import jax; jax.devices()"]
    known = subprocess.run(probe, env={**os.environ, "XLA_FLAGS": flags}, capture_output=True)
    if known.returncode == 0:
        os.environ["XLA_FLAGS"] = flags


def _compile_once() -> None:
    """Large programs are kept on disk for this run alone, for both workers and for child processes.

    Families share phases, and tests of a trainer train the same toy again and again. A program is
    found by a hash of its operations and of all that governs how they are compiled, so that one
    that has changed is compiled anew; tracing comes before and is never spared. Small ones are not
    kept: to write one takes a tenth of what compiling it does, and few are met twice.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="vidgen-programs-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.05"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


_compile_faster()
_compile_once()
# No test depends on the weights that whoever runs it has brought, nor on what was computed before.
os.environ["VIDGEN_WEIGHTS"] = os.devnull
os.environ["VIDGEN_CACHE"] = os.devnull
# gcsfs reads it once, when it is imported. Otherwise it asks Google, before each request, what kind
# of bucket the one of a test is: seconds of waiting for credentials that no test has.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"

import jaxtyping  # noqa: E402

# Before the first import of vidgen, so that every annotated shape is checked at run time.
jaxtyping.install_import_hook("vidgen", "beartype.beartype")

import fsspec  # noqa: E402
import jax  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
# Half the compile time, which is what a test costs here; benchmarks compile in full.
jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="session")
def task():
    """The smallest task that every built-in generator accepts."""
    from vidgen.types import Task

    return Task(
        frames=4, height=16, width=16, channels=1, context_frames=1, text_length=6, text_width=8
    )


@pytest.fixture(scope="session")
def figures_drawn_once():
    """A figure of the same numbers is drawn once in a session: most tests of reports look at some
    other part of them. Yields what has been drawn; who wants it drawn anew clears it.
    """
    from vidgen.comparison import figures

    drawn = {}

    def once(draw):
        def drawing(*args, **kwargs):
            key = (draw.__name__, repr(args), repr(kwargs))
            if key not in drawn:
                drawn[key] = draw(*args, **kwargs)
            return drawn[key]

        return drawing

    with pytest.MonkeyPatch.context() as patch, np.printoptions(threshold=sys.maxsize):
        for name in ("forest", "loss", "trade_off", "along_frames", "confusion"):
            patch.setattr(figures, name, once(getattr(figures, name)))
        yield drawn


class StandIn:
    """Another source in all but how its clips are read, and how many it has.

    The protocol's attributes are its own: from Python 3.12 on `isinstance` does not look for them
    through ``__getattr__``.
    """

    def __init__(self, whole, read, *, clips=None):
        from vidgen.data import Source

        self._whole, self._read, self._clips = whole, read, clips
        for name, member in vars(Source).items():
            if isinstance(member, property):
                setattr(self, name, getattr(whole, name))

    def __len__(self):
        return len(self._whole) if self._clips is None else self._clips

    def __getitem__(self, index):
        return self._read(index)

    def exemplars(self):
        return self._whole.exemplars()


@pytest.fixture(scope="session")
def stand_in():
    """Makes a source that is another one, but for a function of the index that gives its clips."""
    return StandIn


@contextlib.contextmanager
def _scripts(folder):
    """Imports scripts of a folder by their names, as they are when run: beside their neighbours."""
    folder = pathlib.Path(__file__).parents[1] / folder
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)

        def load(name):
            spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
            module = importlib.util.module_from_spec(spec)
            # Where dataclasses look it up, and child processes know it by.
            patch.setitem(sys.modules, name, module)
            spec.loader.exec_module(module)
            return module

        yield load


@pytest.fixture(scope="module")
def load_benchmark():
    """Imports a script of benchmarks/ by its name."""
    with _scripts("benchmarks") as load:
        yield load


@pytest.fixture(scope="module")
def load_experiment():
    """Imports a script of experiments/ by its name."""
    with _scripts("experiments") as load:
        yield load


@pytest.fixture(scope="session")
def write_clip():
    """Writes frames uint8 [T H W 3] into a video file, whose suffix chooses the codec."""
    import av

    codecs = {
        ".mp4": ("libx264", "yuv420p"),
        ".mov": ("libx264", "yuv420p"),
        ".webm": ("libvpx-vp9", "yuv420p"),
        ".avi": ("mpeg4", "yuv420p"),
        ".gif": ("gif", "rgb8"),
    }

    def write(path, frames, *, fps=8, times=None, **options):
        """`times`: seconds of each frame, in steps of a thousandth, for a variable rate."""
        codec, pixels = codecs[path.suffix]
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w", options=options.pop("container", {})) as container:
            stream = container.add_stream(codec, rate=Fraction(1000 if times is not None else fps))
            stream.width, stream.height = frames.shape[2], frames.shape[1]
            stream.pix_fmt = options.pop("pixels", pixels)
            stream.options = options or ({"crf": "8"} if "x264" in codec or "vp9" in codec else {})
            for n, pixels_ in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(pixels_, format="rgb24")
                if times is not None:
                    frame.pts, frame.time_base = round(times[n] * 1000), Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


def steps(count, height=32, width=48):
    """Frames [T H W 3] of rising grey, by which a frame is known again: 20, 30, 40 ..."""
    grey = (20 + 10 * np.arange(count)).astype(np.uint8)
    return np.broadcast_to(grey[:, None, None, None], (count, height, width, 3)).copy()


def read_steps(video):
    """Which of `steps`' frames each frame of a clip is."""
    return [round((float(frame.mean()) - 20) / 10) for frame in video]


@pytest.fixture(scope="session")
def rising():
    """The pair (steps, read_steps)."""
    return steps, read_steps


def _s3(monkeypatch):
    from moto.server import ThreadedMotoServer

    started = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    # Servers of one process share what they hold.
    reset = urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset).close()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    fsspec.filesystem("s3", use_listings_cache=False).mkdir("vidgen-test")
    return started.stop


def _gs(monkeypatch):
    from gcp_storage_emulator import server

    # The client ends an upload with "\n" and the boundary, the server's parser takes a "\r" before
    # that for a part of the line's end: one file in 256 would lose its last byte.
    decode = server._decode_raw_data

    def ended(raw_data, request):
        end = b"\n--==0==--"
        whole = decode(raw_data, request)
        return whole.removesuffix(end) + b"\r" + end if whole and whole.endswith(end) else whole

    monkeypatch.setattr(server, "_decode_raw_data", ended)

    # It answers one request at a time, and would let five wait: more come at once, and a caller who
    # is turned away tries again seconds later or gives up.
    monkeypatch.setattr(HTTPServer, "request_queue_size", 128)
    started = server.create_server("127.0.0.1", 0, in_memory=True, default_bucket="vidgen-test")
    started.start()
    host, port = started._api._httpd.socket.getsockname()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://{host}:{port}")
    return started.stop


def _memory(monkeypatch):
    store = fsspec.filesystem("memory")

    def clear():
        store.store.clear()
        store.pseudo_dirs[:] = [""]

    return clear


@pytest.fixture
def bucket(request, monkeypatch):
    """A folder in a store: one in memory; or, given "s3" or "gs" and by the real clients, a server
    on this machine.
    """
    from vidgen.bucket import BucketPath

    name = getattr(request, "param", "memory")
    fsspec.get_filesystem_class(name).clear_instance_cache()  # they remember an earlier server
    stop = {"memory": _memory, "s3": _s3, "gs": _gs}[name](monkeypatch)
    yield BucketPath(f"{name}://vidgen-test/runs")
    stop()
