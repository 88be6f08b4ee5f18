"""CMRC 2018's own scores, for Chinese answers: compared by character, English runs inside them by word.

They equal cmrc2018_evaluate.py (v5): punctuation is dropped, and F1 counts the longest common substring.
"""

import re
from collections.abc import Hashable, Sequence

from dsp.evaluation.answer import predicted
from dsp.evaluation.treebank import english_words
from dsp.text.matching import gold

# The script lists "……" among its marks too, which as two characters never equals one.
_MARKS = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_HANZI = re.compile("[\u4e00-\u9fa5]")


def cmrc_exact_match(prediction: str, answers: Sequence[str]) -> float:
    """1 where the answer equals a gold one without punctuation and case."""
    said = _bare(predicted(prediction))
    return float(any(said == _bare(answer) for answer in gold(answers)))


def cmrc_f1(prediction: str, answers: Sequence[str]) -> float:
    """F1 of the longest common run of characters (in English runs: words)."""
    said = _segments(predicted(prediction))
    return max(_run_f1(_segments(answer), said) for answer in gold(answers))


def longest_common_run(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """The length of the longest run of items that stands in both."""
    longest, before = 0, [0] * (len(second) + 1)
    for one in first:
        now = [0]
        for column, other in enumerate(second):
            now.append(before[column] + 1 if one == other else 0)
        longest = max(longest, *now)
        before = now
    return longest


def _bare(text: str) -> str:
    return "".join(c for c in text.lower().strip() if c not in _MARKS)


def _segments(text: str) -> list[str]:
    found: list[str] = []
    run = ""
    for char in _bare(text):
        if _HANZI.match(char):
            found += [*english_words(run), char]
            run = ""
        else:
            run += char
    return found + english_words(run)


def _run_f1(wanted: Sequence[str], said: Sequence[str]) -> float:
    common = longest_common_run(wanted, said)
    if not common:
        return 0.0
    precision, recall = common / len(said), common / len(wanted)
    return 2 * precision * recall / (precision + recall)
