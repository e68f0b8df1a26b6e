"""The gate's answer as JUnit XML: a suite for the case, a test for each kernel and budget, passing ones included.

A broken budget is a failure, what could not be judged an error, what is ignored is skipped. What only warns, and what
is ambiguous unless the gate is strict, passes with its reason as output, since neither fails the gate.

The time of every test is 0: nothing runs in a gate. A kernel's GPU time is not a test's, and dashboards would add it
up once a budget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from ncukit.model import Status
from ncukit.render.gate_rows import file_of, place, rows, subject, unique
from ncukit.render.gate_text import (
    MEANINGS,
    RECORDED,
    because,
    blocks,
    bounded,
    device,
    nothing_judged,
    statement,
    whole,
    word,
)

if TYPE_CHECKING:
    from ncukit.gate.answer import Judgement
    from ncukit.render.gate_rows import Row


def render(*judgements: Judgement) -> str:
    """The judgements as JUnit XML. There is always a test, since dashboards take an empty file for a broken one."""
    suites = [_suite(judgement) for judgement in judgements]
    root = ET.Element("testsuites", name="ncukit gate", time="0")
    for kind in _COUNTED:
        root.set(kind, str(sum(int(suite.get(kind, "0")) for suite in suites)))
    root.extend(suites)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


_COUNTED = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}


def _suite(judgement: Judgement) -> ET.Element:
    suite = ET.Element("testsuite", name=subject(judgement), time="0")
    _properties(suite, judgement)
    found = rows(judgement)
    names = unique({"test": f"{row.name}: {bounded(row.verdict.metric)} {row.verdict.bound}"} for row in found)
    for name, row in zip(names, found, strict=True):
        _test(suite, judgement, name, row)
    nothing = nothing_judged(judgement)
    if nothing:
        test = ET.SubElement(suite, "testcase", classname=subject(judgement), name="gate", time="0")
        ET.SubElement(test, "error", message=nothing, type="nothing-judged").text = nothing
    for kind, tag in _COUNTED.items():
        suite.set(kind, str(sum(1 for _ in suite.iter(tag))))
    return suite


def _properties(suite: ET.Element, judgement: Judgement) -> None:
    environment = judgement.environment
    values = {
        "gpu": environment.gpu,
        "ncu": environment.ncu_version,
        "triton": environment.triton_version,
        "clock_control": environment.clock_control,
        "report": judgement.report_path,
        "recorded": "true" if environment.recorded else "false",
        "status": judgement.status.value,
        "strict": "true" if judgement.strict else "false",
    }
    properties = ET.SubElement(suite, "properties")
    for name, value in values.items():
        if value:
            ET.SubElement(properties, "property", name=name, value=bounded(value))


def _test(suite: ET.Element, judgement: Judgement, name: str, row: Row) -> None:
    verdict = row.verdict
    # GitLab shows the class name as the suite, and tells tests apart by class name and name
    test = ET.SubElement(suite, "testcase", classname=subject(judgement), name=name, time="0")
    if file_of(row.kernel):
        test.set("file", file_of(row.kernel))
        test.set("line", str(row.kernel.line or 1))
    if verdict.status is Status.IGNORED:
        ET.SubElement(test, "skipped", message=because(verdict) or word(verdict), type=bounded(verdict.code))
    elif blocks(judgement, verdict):
        tag = "error" if verdict.status is Status.UNJUDGED else "failure"
        # GitLab shows the text and not the message
        ET.SubElement(test, tag, message=whole(verdict), type=bounded(verdict.code)).text = _details(judgement, row)
    else:
        ET.SubElement(test, "system-out").text = _details(judgement, row)


def _details(judgement: Judgement, row: Row) -> str:
    verdict = row.verdict
    lines = [
        RECORDED if judgement.environment.recorded else "",
        statement(row.name, verdict),
        "" if verdict.status is Status.PASS else f"{word(verdict)}: {MEANINGS.get(verdict.code, '')}".rstrip(": "),
        place(row.kernel),
        f"budget from: {bounded(verdict.origin)}" if verdict.origin else "",
        f"measured on {device(judgement.environment)}",
    ]
    return "\n".join(line for line in lines if line)
