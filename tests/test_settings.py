"""Settings hold for one block, in one thread of control."""

import threading

import pytest

from dsp.errors import UsageError
from dsp.settings import in_force, lm_in_force, retriever_in_force, using, wrapping
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


def test_a_stage_has_its_own_lm_for_the_block() -> None:
    usual, other, third = ScriptedLM([]), ScriptedLM([]), ScriptedLM([])
    with using(lm=usual, stages={"hop": other}):
        assert (lm_in_force("hop"), lm_in_force("answer"), lm_in_force()) == (other, usual, usual)
        with using(stages={"answer": third}):
            assert (lm_in_force("hop"), lm_in_force("answer")) == (other, third)
        assert lm_in_force("answer") is usual
    assert not in_force().stages


def test_an_lm_named_further_in_is_asked_at_every_stage() -> None:
    usual, other, teacher = ScriptedLM([]), ScriptedLM([]), ScriptedLM([])
    with using(lm=usual, stages={"hop": other}):
        with using(retriever=FixedRetriever(())):
            assert lm_in_force("hop") is other
        with using(lm=teacher):
            assert lm_in_force("hop") is teacher


def test_the_lms_of_all_stages_suffice() -> None:
    with using(stages={"hop": ScriptedLM([], name="one")}):
        assert lm_in_force("hop").name == "one"
        with pytest.raises(UsageError, match="no LM is set"):
            lm_in_force("answer")


def test_a_wrapper_is_put_around_each_lm() -> None:
    with using(lm=ScriptedLM([], name="a"), stages={"hop": ScriptedLM([], name="b")}):
        with wrapping(lambda lm: ScriptedLM([], name=f"wrapped {lm.name}")):
            assert (lm_in_force("hop").name, lm_in_force().name) == ("wrapped b", "wrapped a")
        assert lm_in_force("hop").name == "b"


def test_stages_are_opened_by_name() -> None:
    with using(lm="extractive", stages={"hop": "extractive"}):
        assert lm_in_force("hop").name == "extractive"
