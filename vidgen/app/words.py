"""What the page says, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

LANGUAGES = ("en", "zh")

WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "title": ("# A picture and an idea", "# 一张图片，一个想法"),  # noqa: RUF001
        "camera_title": ("# A photograph and an idea", "# 一张照片，一个想法"),  # noqa: RUF001
        "intro": (
            "Every family of generators goes on from the same picture as you say, side by side.",
            "每一类生成模型按你的想法让同一张图片动起来，并排比较。",  # noqa: RUF001
        ),
        "camera_intro": (
            "Every family of generators moves the same photograph as you say, side by side.",
            "每一类生成模型按你的想法让同一张照片动起来，并排比较。",  # noqa: RUF001
        ),
        "animate": ("Animate", "动起来"),
        "arena": ("Arena", "擂台"),
        "photo": ("Picture", "图片"),
        "camera_photo": ("Photograph", "照片"),
        "examples": ("Examples", "示例"),
        "idea": ("Idea", "想法"),
        "hint": ("What is to happen?", "要发生什么？"),  # noqa: RUF001
        "camera_hint": ("What is the camera to do?", "镜头要做什么？"),  # noqa: RUF001
        "seconds": ("Seconds", "秒数"),
        "families": ("Families", "模型"),
        "fit": ("Fit", "取景"),
        "crop": ("The middle of it", "中间部分"),
        "letterbox": ("All of it", "完整画面"),
        "seed": ("Seed", "随机种子"),
        "again": ("Same seed again", "沿用种子"),
        "go": ("Animate", "开始"),
        "understood": ("Understood as", "理解为"),
        "working": ("is drawing", "正在生成"),
        "waiting": ("is waiting", "等待中"),
        "drawn": ("drawn in {seconds} s", "生成用时 {seconds} 秒"),
        "compiled": ("the first of its length: compiling included", "首次生成此长度，含编译时间"),  # noqa: RUF001
        "price": (
            "{millions} million parameters, trained for {budget}",
            "参数量 {myriads} 万，训练预算 {budget}",  # noqa: RUF001
        ),
        "download": ("Download", "下载"),
        "late": ("left out: there was no time for it", "已跳过：时间不够"),  # noqa: RUF001
        "unknown": (
            "{idea} is no idea that these models know; try {known}",
            "这些模型不认识{idea}；可以试试：{known}",  # noqa: RUF001
        ),
        "refused": ("{why}", "无法处理。英文说明：{why}"),  # noqa: RUF001
        "no_family": ("Choose a family first.", "请先选择一个模型。"),
        "no_photo": ("Choose a photograph first.", "请先选择一张照片。"),
        "arena_intro": (
            "Two answers to the same prompt, by two of the families. Which do you prefer?",
            "同一提示下，两类模型的回答。你更喜欢哪一个？",  # noqa: RUF001
        ),
        "prompt": ("Prompt", "提示"),
        "with_frame": ("with its first frame given", "给定首帧"),
        "left": ("The left one", "左边更好"),
        "right": ("The right one", "右边更好"),
        "neither": ("Neither", "难分高下"),
        "voted": ("Thank you. They were {left} and {right}.", "谢谢。它们是 {left} 和 {right}。"),
        "no_arena": (
            "There is no arena here: `vidgen serve --arena DIR` takes a comparison's folder.",
            "这里没有擂台：`vidgen serve --arena DIR` 需要一个比较结果目录。",  # noqa: RUF001
        ),
    }
)
"""By key: (English, Chinese)."""

SUGGESTIONS: tuple[tuple[str, str], ...] = (
    ("slowly zoom in", "慢慢推近"),
    ("zoom out", "拉远"),
    ("pan to the left", "向左平移"),
    ("quickly pan right", "快速向右移动"),
    ("tilt up", "向上摇"),
    ("roll clockwise", "顺时针旋转"),
    ("zoom in, then pan right", "先推近，然后向右平移"),  # noqa: RUF001
    ("hold still", "保持静止"),
)
"""Ideas that are understood: (English, Chinese)."""


def translations() -> dict[str, dict[str, str]]:
    """All words by language, as the page's framework takes them."""
    both = {**WORDS} | {f"suggestion_{n}": said for n, said in enumerate(SUGGESTIONS)}
    return {
        language: {key: said[place] for key, said in both.items()}
        for place, language in enumerate(LANGUAGES)
    }


def say(key: str, language: str, **values: str) -> str:
    """One of the words; an unknown language is English."""
    place = LANGUAGES.index(language) if language in LANGUAGES else 0
    return WORDS[key][place].format(**values)


def suggestion(number: int, language: str) -> str:
    """One of the suggestions; an unknown language is English."""
    return SUGGESTIONS[number][LANGUAGES.index(language) if language in LANGUAGES else 0]


def language_of(accepted: str | None) -> str:
    """The language of a browser's ``Accept-Language``."""
    first = (accepted or "").split(",")[0].strip().lower()
    return "zh" if first.startswith("zh") else "en"
