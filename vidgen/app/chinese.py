"""Ideas in Chinese, phrase by phrase into the English that models learned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

_PHRASES: Mapping[str, str] = MappingProxyType(
    {
        phrase: english
        for english, phrases in {
            "zoom in": "推近 推进 拉近 放大 靠近 推镜头 变焦推近 向前推 凑近",
            "zoom out": "拉远 拉开 缩小 后退 远离 拉镜头 向后拉 退后",
            "pan left": "左移 左摇 向左移动 向左平移 向左摇 往左移 往左 向左 左转镜头",
            "pan right": "右移 右摇 向右移动 向右平移 向右摇 往右移 往右 向右 右转镜头",
            "tilt up": "上移 上摇 上仰 向上移动 向上平移 向上摇 往上 向上 抬头 仰拍",
            "tilt down": "下移 下摇 下俯 向下移动 向下平移 向下摇 往下 向下 低头 俯拍",
            "roll clockwise": "顺时针旋转 顺时针转动 顺时针转 顺时针",
            "roll counterclockwise": "逆时针旋转 逆时针转动 逆时针转 逆时针",
            "hold still": "保持不动 保持静止 静止不动 固定镜头 不要动 静止 不动",
            "slowly": "缓慢地 慢慢地 缓慢 慢慢 缓缓 轻轻 慢",
            "quickly": "快速地 迅速地 快速 迅速 飞快 快",
            ", then": "然后 接着 之后 随后 再",
            "first": "首先 先",
            "move": "移动 平移 移 看 抬 转 摇",
            "hold": "保持",
            "": "镜头 相机 画面 请 把 将 地 的 一下",
        }.items()
        for phrase in phrases.split()
    }
)
"""What is said in the camera's language; longer phrases are found before their parts."""

_SIGNS = str.maketrans(dict(zip("\uff0c\u3002\uff01\uff1f\u3001\uff1b", ",.!?,;", strict=True)))
"""Punctuation, by its English counterpart."""

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_KNOWN = re.compile("|".join(sorted(_PHRASES, key=len, reverse=True)))
_COMMAS = re.compile(r"(\s*,)+")


def into_english(idea: str) -> str:
    """An idea with its Chinese phrases in English; one in English stays what it is.

    What is not known stays Chinese.
    """
    if not _CHINESE.search(idea):
        return idea
    said = _KNOWN.sub(lambda found: f" {_PHRASES[found[0]]} ", idea.translate(_SIGNS))
    return " ".join(_COMMAS.sub(" ,", said).replace(" ,", ",").split())
