"""The report of an evaluation as JUnit XML: what a pipeline shows beside the tests."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from dsp.evaluation.conditions import missed
from dsp.evaluation.outcome import Outcome

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(
    report: Mapping[str, Any],
    outcomes: Mapping[tuple[str, str], Outcome],
    questions: Sequence[str],
    thresholds: Mapping[str, float],
) -> str:
    """A suite for each program: a case for each threshold, which fails where it is missed, and one for each question.

    A question is an error where it failed and skipped where it was not asked. A wrong answer is no failure, since
    how many may be wrong is what the thresholds say; its score stands in the output of its case.
    """
    root = ElementTree.Element("testsuites", name=_clean(f"dsp eval {report['benchmark']}"))
    for program in report["programs"]:
        suite = ElementTree.SubElement(root, "testsuite", name=_clean(program["program"]))
        lacking = missed(program, thresholds)
        for metric, least in thresholds.items():
            case = _case(suite, program, f"{metric} at least {least:g}")
            if metric in lacking:
                ElementTree.SubElement(case, "failure", message=_clean(lacking[metric]))
        for question in questions:
            _question(suite, program, question, outcomes.get((program["program"], question)), report["primary"])
        counts = {"tests": "testcase", "failures": "testcase/failure", "errors": "testcase/error"}
        for name, path in (*counts.items(), ("skipped", "testcase/skipped")):
            suite.set(name, str(len(suite.findall(path))))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ElementTree.Element, program: Mapping[str, Any], name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=_clean(program["program"]), name=_clean(name))


def _question(
    suite: ElementTree.Element, program: Mapping[str, Any], question: str, outcome: Outcome | None, metric: str
) -> None:
    case = _case(suite, program, question)
    if outcome is None:
        ElementTree.SubElement(case, "skipped", message="not asked: the budget was spent before")
        return
    case.set("time", f"{outcome.seconds:.3f}")
    if outcome.failed:
        ElementTree.SubElement(case, "error", type=_clean(outcome.error), message=_clean(outcome.message))
        return
    said = f"{outcome.text}\n{metric} {outcome.scores.get(metric)}\nanswer {outcome.answer}\ngold {outcome.answers}"
    ElementTree.SubElement(case, "system-out").text = _clean(said)


def _clean(text: object) -> str:
    """The text without what XML cannot hold."""
    return _NO_XML.sub("\ufffd", str(text))
