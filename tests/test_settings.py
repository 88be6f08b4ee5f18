"""Settings hold for one block, in one thread of control."""

import threading

import pytest

from dsp.errors import UsageError
from dsp.settings import in_force, lm_in_force, retriever_in_force, using
from dsp.testing import FixedRetriever, ScriptedLM


def test_settings_hold_for_the_block_and_no_longer() -> None:
    outer, inner = ScriptedLM([]), ScriptedLM([])
    with using(lm=outer):
        with using(lm=inner):
            assert lm_in_force() is inner
        assert lm_in_force() is outer
    assert in_force().lm is None


def test_an_error_in_the_block_restores_what_was() -> None:
    with pytest.raises(RuntimeError), using(lm=ScriptedLM([])):
        raise RuntimeError
    assert in_force().lm is None


def test_what_is_not_named_stays() -> None:
    lm, retriever = ScriptedLM([]), FixedRetriever(())
    with using(lm=lm), using(retriever=retriever):
        assert lm_in_force() is lm
        assert retriever_in_force() is retriever


def test_another_thread_does_not_see_them() -> None:
    seen: list[object] = []
    with using(lm=ScriptedLM([])):
        thread = threading.Thread(target=lambda: seen.append(in_force().lm))
        thread.start()
        thread.join()
    assert seen == [None]


def test_without_a_retriever_the_error_shows_what_to_write() -> None:
    with pytest.raises(UsageError, match=r'retriever="digest"'):
        retriever_in_force()
