from pathlib import Path

import pytest

from dsp.configuration import OPTIONS, Configuration, configuration
from dsp.errors import UsageError


def resolved(
    tmp_path: Path,
    flags: dict[str, str | int | None] | None = None,
    variables: dict[str, str] | None = None,
    project: str = "",
    user: str = "",
) -> Configuration:
    folder, user_file = tmp_path / "project", tmp_path / "user" / "dsp.toml"
    for path, text in ((folder / "dsp.toml", project), (user_file, user)):
        path.parent.mkdir(exist_ok=True)
        if text:
            path.write_text(text, encoding="utf-8")
    return configuration(flags or {}, variables or {}, folder=folder, user_file=user_file)


def test_each_layer_hides_the_ones_below(tmp_path: Path) -> None:
    found = resolved(
        tmp_path,
        flags={"program": "a", "lm": None},
        variables={"DSP_PROGRAM": "b", "DSP_LM": "b"},
        project='program = "c"\nlm = "c"\nindex = "c"',
        user='program = "d"\nlm = "d"\nindex = "d"\nmode = "dense"',
    ).settings
    assert (found["program"].value, found["program"].origin) == ("a", "--program")
    assert (found["lm"].value, found["lm"].origin) == ("b", "DSP_LM")
    assert (found["index"].value, found["index"].origin) == ("c", "dsp.toml")
    assert (found["mode"].value, found["mode"].origin) == ("dense", str(tmp_path / "user" / "dsp.toml"))
    assert (found["k"].value, found["k"].origin) == (None, "default")


def test_the_folder_above_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "dsp.toml").write_text('program = "above"', encoding="utf-8")
    assert resolved(tmp_path).settings["program"].origin == "default"


def test_openai_base_url_stands_in(tmp_path: Path) -> None:
    both = {"OPENAI_BASE_URL": "http://a/v1", "DSP_BASE_URL": "http://b/v1"}
    assert resolved(tmp_path, variables=both).text("base_url") == "http://b/v1"
    del both["DSP_BASE_URL"]
    assert resolved(tmp_path, variables=both).settings["base_url"].origin == "OPENAI_BASE_URL"


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    assert resolved(tmp_path, variables={"DSP_PROGRAM": "", "DSP_K": ""}).settings["program"].origin == "default"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"variables": {"DSP_K": "many"}}, "DSP_K must be a whole number; found 'many'"),
        ({"variables": {"DSP_K": "0"}}, "DSP_K must be at least 1; found 0"),
        ({"variables": {"DSP_MODE": "fuzzy"}}, "DSP_MODE must be one of dense, lexical, hybrid; found 'fuzzy'"),
        ({"project": "k = 0"}, "k must be a whole number from 1"),
        ({"project": 'k = "3"'}, "k must be a whole number"),
        ({"user": "progam = 1"}, "unknown key progam. Did you mean program?"),
        ({"project": 'api_key = "x"'}, "keys do not belong in a file; remove api_key and set OPENAI_API_KEY"),
        ({"project": "not toml"}, "is not valid TOML"),
    ],
)
def test_wrong_values_say_what_to_do(tmp_path: Path, arguments: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolved(tmp_path, **arguments)  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_variables_that_mean_nothing_are_named(tmp_path: Path) -> None:
    found = resolved(tmp_path, variables={"DSP_INDX": "x", "DSP_HOME": "/x", "OTHER": "y"})
    assert found.unknown == ("DSP_INDX means nothing to dsp; did you mean DSP_INDEX?",)


def test_a_password_in_an_address_is_not_shown(tmp_path: Path) -> None:
    found = resolved(tmp_path, flags={"base_url": "https://me:secret@host/v1"})
    assert found.settings["base_url"].shown == "https://host/v1"
    assert found.text("base_url") == "https://me:secret@host/v1"


def test_every_option_says_what_it_means() -> None:
    assert all(option.meaning for option in OPTIONS.values())
