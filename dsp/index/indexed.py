"""What is indexed of a passage: its text, and before it the names under which people ask for its document.

Front matter (or a row's metadata) may give a document other names: `aliases`, titles in other languages (`title_zh`),
and a `label` such as "digest entry 3". The encoder gets the shortest usual name, since a long prefix would make all
passages of a document alike; the lexical side gets every name, since it counts only the words that are asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dsp.types import Passage

# A passage of front matter is found by what a person calls the field, in either language.
_LABELS: Mapping[str, str] = {
    "title": "title 标题",
    "title_zh": "标题",
    "author": "author 作者",
    "authors": "authors 作者",
    "affiliation": "affiliation 机构 单位 大学 公司",
    "affiliations": "affiliations 机构 单位 大学 公司",
    "year": "year 年份",
    "date": "date 日期",
    "arxiv": "arXiv number 编号",
    "url": "url 链接",
    "venue": "venue, conference or journal 发表于 会议 期刊",
    "code": "code repository 代码 仓库",
    "licence": "licence 许可证",
    "license": "license 许可证",
    "dataset": "data set 数据集",
    "ref": "reference number 参考文献编号",
    "entry": "digest entry 文摘条目",
    "digest_entry": "digest entry 文摘条目",
    "cited_by_digest_entry": "cited by digest entry 被文摘条目引用",
    "keywords": "keywords 关键词",
    "keywords_zh": "关键词",
    "aliases": "also called 又称",
}
_ABOUT_THE_FILE = ("lang", "kind", "translation_of", "label")


def encoded_text(passage: Passage) -> str:
    """What the encoder is given of a passage, before its own prefix: one short name in each language, then the text."""
    about = passage.metadata
    usual = next(iter(_texts(about.get("aliases"))), passage.title)
    names = [usual, *_other_titles(about), *_texts(about.get("label"))]
    return f"{' '.join(name for name in names if name)}\n{_body(passage)}"


def lexical_text(passage: Passage) -> str:
    """What the lexical side counts the words of: every name of the document, then the text."""
    about = passage.metadata
    titles = " ".join([passage.title, *_other_titles(about)])
    others = ", ".join([*_texts(about.get("aliases")), *_texts(about.get("label"))])
    return f"{titles}\n{others}\n{_body(passage)}"


def _body(passage: Passage) -> str:
    if not passage.metadata.get("front_matter"):
        return passage.text
    return "\n".join(_labelled(passage.text.splitlines()))


def _labelled(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        key, colon, value = line.partition(": ")
        if not colon:
            yield line
        elif key not in _ABOUT_THE_FILE:
            yield f"{_LABELS.get(key, key)}: {value}"


def _other_titles(about: Mapping[str, Any]) -> list[str]:
    return [text for key in sorted(about) if key.startswith("title_") for text in _texts(about[key])]


def _texts(value: Any) -> list[str]:
    """A text, or each text of a list; nothing for anything else."""
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []
