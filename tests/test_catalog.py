"""Names are shipped, paths are the user's; a program that does not load says why."""

from pathlib import Path

import pytest

from dsp.catalog import function_program, is_bare, load_program, names, parsed_parameters, shelf
from dsp.errors import ProgramError, UnknownName, UsageError
from dsp.types import Example


def test_shipped_programs_are_found_by_name() -> None:
    assert {"closed_book", "retrieve_then_read", "multihop"} <= set(names("programs"))
    program = load_program("multihop")
    assert program.function.__name__ == "multihop"
    assert list(program.parameters) == ["demos", "hops", "k", "tokens"]
    assert len(program.sha256) == 64


def test_an_unknown_name_names_the_nearest_and_how_to_run_a_file() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'multihop'\?.*\./multihopp\.py"):
        load_program("multihopp")


def test_a_bare_name_never_reads_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("def mine(question): ...")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownName):
        load_program("mine")
    assert load_program("./mine.py").path == tmp_path / "mine.py"


@pytest.mark.parametrize("name", ["../x", "a/b", "x.py", "", "-x", "a b", "a\0b"])
def test_what_is_no_bare_name(name: str) -> None:
    assert not is_bare(name)


def test_one_function_of_a_file_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "two.py"
    path.write_text("def first(question): return 1\ndef second(question): return 2\n")
    assert load_program(f"{path}:second").function("q") == 2
    with pytest.raises(ProgramError, match="holds no function 'two'; it holds: first, second"):
        load_program(str(path))


@pytest.mark.parametrize("source", ["def broken(:", "import nowhere_to_be_found", "raise RuntimeError('no')"])
def test_a_program_that_does_not_load_says_why(tmp_path: Path, source: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(source)
    with pytest.raises(ProgramError, match=r"broken\.py does not load: "):
        load_program(str(path))


def test_a_missing_file_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no program file"):
        load_program("./nothing-here.py")


def parametrised(question: str, *, hops: int = 2, ratio: float = 0.5, deep: bool = False, name: str = "x") -> Example:
    return Example(question=question, answer=f"{hops}{ratio}{deep}{name}")


def test_parameters_are_read_with_their_types() -> None:
    program = function_program(parametrised)
    values = parsed_parameters(program, {"hops": "3", "ratio": "1", "deep": "yes", "name": "4"})
    assert values == {"hops": 3, "ratio": 1.0, "deep": True, "name": "4"}


def test_wrong_parameters_are_named() -> None:
    program = function_program(parametrised)
    with pytest.raises(UnknownName, match="Did you mean 'hops'"):
        parsed_parameters(program, {"hop": "3"})
    with pytest.raises(UsageError, match="hops='many' is no int"):
        parsed_parameters(program, {"hops": "many"})


def test_every_shipped_program_states_its_source_and_its_cost() -> None:
    for name in names("programs"):
        text = (shelf("programs") / f"{name}.py").read_text(encoding="utf-8")
        head = text.split('"""')[1]
        assert "Source:" in head, name
        assert "Cost:" in head, name
