"""The table of faults in CONTRIBUTING.md: every test that it names is there, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
NUMBERS = range(1, 21)


def marked():
    """Which faults every test injects, by file::test."""
    found = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        source = path.read_text()
        for node in ast.parse(source).body if "pytest.mark.fault" in source else ():
            numbers = {
                call.args[0].value
                for call in getattr(node, "decorator_list", [])
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.fault"
            }
            if numbers:
                found[f"{path.relative_to(TESTS).as_posix()}::{node.name}"] = numbers
    return found


def told():
    """The same by the table."""
    page = (TESTS.parent / "CONTRIBUTING.md").read_text()
    found = {}
    for number, tests in re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", page, re.M):
        for test in re.findall(r"`([^`]+::[^`]+)`", tests):
            found.setdefault(test, set()).add(int(number))
    return found


def test_the_table_names_the_tests_that_inject_each_fault_and_all_of_them():
    assert told() == marked()
    assert set().union(*told().values()) == set(NUMBERS)
