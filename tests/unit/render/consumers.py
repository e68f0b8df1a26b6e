"""What reads the gate's machine formats: real parsers where there are any, else the documented rules."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jsonschema
from junitparser import JUnitXml
from markdown_it import MarkdownIt
from prometheus_client.openmetrics.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from markdown_it.token import Token

COMMANDS = ("error", "warning", "notice")


@dataclass(frozen=True)
class Annotation:
    level: str
    properties: dict[str, str]
    message: str


def annotations(text: str) -> list[Annotation]:
    """Workflow commands as actions/runner reads them (src/Runner.Common/ActionCommand.cs, TryParseV2).

    Each line of output is looked at alone. The properties end at the next ``::``; they are split at commas, and each
    at its first ``=``; empty values do not count. Then escapes are undone, the percent sign last.
    """
    return [_annotation(line) for line in re.split(r"\r\n|\r|\n", text) if line]


def _annotation(line: str) -> Annotation:
    line = line.lstrip()
    assert line.startswith("::"), line
    end = line.index("::", 2)
    level, _, given = line[2:end].partition(" ")
    assert level in COMMANDS, line
    properties = {}
    for pair in filter(None, given.strip().split(",")):
        name, equals, value = pair.partition("=")
        if equals and value:
            properties[name] = _unescaped(value, ("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))
    return Annotation(level, properties, _unescaped(line[end + 2 :], ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")))


def _unescaped(text: str, *escapes: tuple[str, str]) -> str:
    for escaped, character in escapes:
        text = text.replace(escaped, character)
    return text


_EXPECTED = re.compile(r"(table|thead|th|tr|td|tbody|paragraph|heading|bullet_list|list_item)_(open|close)")


def tables(markdown: str) -> list[list[list[str]]]:
    """Each table's body as rows of cells. Fails on whatever a hostile name could have brought in.

    GitHub looks for mentions, issues and addresses in the rendered text outside of code, so that is looked at too.
    """
    found: list[list[list[str]]] = []
    body = cell = False
    for token in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(markdown):
        if token.type == "tbody_open":
            found.append([])
        elif token.type == "tr_open" and body:
            found[-1].append([])
        elif token.type == "inline":
            words = _words(token)
            if cell:
                found[-1][-1].append(words)
        else:
            assert _EXPECTED.fullmatch(token.type), token
        body = token.type == "tbody_open" or (body and token.type != "tbody_close")
        cell = token.type == "td_open"
    return found


def _words(inline: Token) -> str:
    words = ""
    for child in inline.children or []:
        assert child.type in ("text", "text_special", "code_inline", "strong_open", "strong_close"), child
        if child.type != "code_inline":
            assert not re.search(r"://|www\.|@\w|#\w", child.content, re.IGNORECASE), child.content
        words += child.content
    return words


def junit(text: str) -> JUnitXml:
    """Read by junitparser. XML that is not well-formed, or has a character that XML 1.0 forbids, fails here."""
    return JUnitXml.fromstring(text.encode())


CODE_QUALITY = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": r"^(?!/)(?!.*(^|/)\.\.(/|$)).+$"},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}
"""GitLab's documentation, Code Quality, "Code Quality report format"."""


def code_quality(text: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = _valid(text, CODE_QUALITY)
    fingerprints = [entry["fingerprint"] for entry in entries]
    assert len(set(fingerprints)) == len(fingerprints)  # entries of one fingerprint are shown as one
    return entries


BENCHER = {
    "type": "object",
    "propertyNames": {"minLength": 1, "maxLength": 1024},
    "additionalProperties": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"minLength": 1, "maxLength": 64},
        "additionalProperties": {
            "type": "object",
            "required": ["value"],
            "properties": {name: {"type": "number"} for name in ("value", "lower_value", "upper_value")},
            "additionalProperties": False,
        },
    },
}
"""bencher.dev, Reference, "Bencher Metric Format (BMF)": its schema and its limits for names."""


def bencher(text: str) -> dict[str, Any]:
    return _valid(text, BENCHER)


BENCHMARK_ACTION = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name", "unit", "value"],
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "unit": {"type": "string", "minLength": 1},
            "value": {"type": "number"},
            # src/extractRangeInfo.ts
            "range": {"type": "string", "pattern": r"^± ?\d"},
            "extra": {"type": "string"},
        },
        "additionalProperties": False,
    },
}
"""README of benchmark-action/github-action-benchmark, ``customSmallerIsBetter``."""


def benchmark_action(text: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = _valid(text, BENCHMARK_ACTION)
    names = [entry["name"] for entry in entries]
    assert len(set(names)) == len(names)  # one chart a name
    return entries


def _valid(text: str, schema: dict[str, Any]) -> Any:
    document = json.loads(text, parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)))
    jsonschema.Draft7Validator(schema).validate(document)
    return document


def samples(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Family → labels and value of each sample, as prometheus_client reads OpenMetrics."""
    return {
        family.name: [(sample.labels, sample.value) for sample in family.samples]
        for family in text_string_to_metric_families(text)
    }
