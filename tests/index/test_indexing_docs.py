"""docs/indexing.md says what the recipe reader does."""

import re
from pathlib import Path

import pytest

from dsp.errors import UsageError
from dsp.index.files import SUFFIXES
from dsp.index.recipe import Recipe, load_recipe

TEXT = (Path(__file__).parents[2] / "docs" / "indexing.md").read_text(encoding="utf-8")


def test_the_recipe_shown_is_a_recipe(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "index.toml").write_text(shown)
    recipe = load_recipe(tmp_path)
    assert [source.path for source in recipe.sources] == ["manuals", "faq/*.csv", "hf:owner/name"]
    assert recipe.words == 80


@pytest.mark.parametrize(
    ("table", "recipe"),
    [
        ("", "nonesuch = 1\nsources = 'a'"),
        ("sources.", "sources = [{path = 'a', nonesuch = 1}]"),
        ("sources.columns.", "sources = [{path = 'a', columns = {nonesuch = 1}}]"),
        ("passages.", "sources = 'a'\npassages.nonesuch = 1"),
        ("encoder.", "sources = 'a'\nencoder.nonesuch = 1"),
        ("faiss.", "sources = 'a'\nfaiss.nonesuch = 1"),
        ("search.", "sources = 'a'\nsearch.nonesuch = 1"),
        ("size.", "sources = 'a'\nsize.nonesuch = 1"),
        ("search.weights.", "sources = 'a'\nsearch.weights.nonesuch = 1"),
        ("papers.", "sources = 'a'\n[[papers]]\nname = 'x'\nurl = 'u'\nnonesuch = 1"),
    ],
)
def test_every_key_and_no_other_stands_in_the_table(tmp_path: Path, table: str, recipe: str) -> None:
    (tmp_path / "index.toml").write_text(recipe)
    with pytest.raises(UsageError) as caught:
        load_recipe(tmp_path)
    known = set(re.findall(r"[\w.]+", str(caught.value).partition("Known here: ")[2].rstrip(".")))
    documented = {key.removeprefix(table).partition(".")[0] for key in _keys() if key.startswith(table)}
    assert known == documented


def _keys() -> list[str]:
    """The first column of the table of keys."""
    rows = TEXT.partition("| key | default |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([\w.]+)` \|", rows, re.MULTILINE)


def test_the_defaults_and_suffixes_are_the_documented_ones(tmp_path: Path) -> None:
    plain = Recipe(name="r", folder=tmp_path, sources=())
    for key, value in (("passages.words", plain.words), ("passages.overlap", plain.overlap)):
        assert f"| `{key}` | {value} |" in TEXT
    for suffix in SUFFIXES:
        assert f"`{suffix}`" in TEXT
