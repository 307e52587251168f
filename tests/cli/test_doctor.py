"""`wplus doctor`: what it prints, and its exit code."""

import json

import pytest
from cli_support import Run

import wplus.doctor
from wplus.doctor import Finding

_FINDINGS = [
    Finding(subject="torch", verdict="ok", text="2.13.0"),
    Finding(subject="cache", verdict="bad", text="cannot be written to", remedy="Make it writable."),
]


def test_findings_are_lines_with_remedies(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wplus.doctor, "examine", lambda: _FINDINGS)
    outcome = run("doctor")
    assert outcome.code == 1
    lines = [line.split(maxsplit=2) for line in outcome.out.splitlines()]
    assert lines[:2] == [["ok", "torch", "2.13.0"], ["BAD", "cache", "cannot be written to"]]
    assert outcome.out.splitlines()[2].strip() == "Make it writable."


def test_json_stands_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wplus.doctor, "examine", lambda: _FINDINGS[:1])
    outcome = run("doctor", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert json.loads(outcome.out) == [{"subject": "torch", "verdict": "ok", "text": "2.13.0", "remedy": ""}]
