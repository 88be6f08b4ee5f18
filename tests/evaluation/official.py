"""The official scoring rules stated again, independently of `dsp`, and texts to try them on."""

import random
import unicodedata
from collections.abc import Callable

PUNCTUATION = set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
STOPWORDS = (
    "i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself "
    "it its itself they them their theirs themselves what which who whom this that these those am is are was were be "
    "been being have has had having do does did doing a an the and but if or because as until while of at by for with "
    "about against between into through during before after above below to from up down in out on off over under "
    "again further then once here there when where why how all any both each few more most other some such no nor "
    "not only own same so than too very s t can will just don should now"
)

Score = Callable[[str, list[str]], float]


def is_word(char: str) -> bool:
    return char == "_" or char.isalnum()


def without_articles(text: str) -> str:
    """Every a, an, the that stands alone becomes a blank; a character scan in place of a regular expression."""
    out, i = "", 0
    while i < len(text):
        if is_word(text[i]):
            j = i
            while j < len(text) and is_word(text[j]):
                j += 1
            out += " " if text[i:j] in ("a", "an", "the") else text[i:j]
            i = j
        else:
            out += text[i]
            i += 1
    return out


def squad(text: str, nfd: bool = False) -> list[str]:
    text = unicodedata.normalize("NFD", text) if nfd else text
    return without_articles("".join(c for c in text.lower() if c not in PUNCTUATION)).split()


def trivia(text: str) -> list[str]:
    marks = PUNCTUATION | set("‘’´`")
    return without_articles("".join(" " if c in marks else c for c in text.replace("_", " ").lower())).split()


def shared(said: list[str], wanted: list[str]) -> int:
    left, count = list(wanted), 0
    for token in said:
        if token in left:
            left.remove(token)
            count += 1
    return count


def prf(said: list[str], wanted: list[str]) -> tuple[float, float, float]:
    same = shared(said, wanted)
    if same == 0:
        return 0.0, 0.0, 0.0
    p, r = same / len(said), same / len(wanted)
    return p, r, (2 * p * r) / (p + r)


def best(score: Callable[[str, str], float]) -> Score:
    def of(prediction: str, answers: list[str]) -> float:
        return float(sorted(score(prediction, answer) for answer in answers)[-1])

    return of


def hotpot(prediction: str, answer: str) -> tuple[float, float, float]:
    said, wanted = " ".join(squad(prediction)), " ".join(squad(answer))
    if said != wanted and {said, wanted} & {"yes", "no", "noanswer"}:
        return 0.0, 0.0, 0.0
    return prf(said.split(), wanted.split())


def squad_2(prediction: str, answer: str) -> float:
    said, wanted = squad(prediction), squad(answer)
    return float(said == wanted) if not said or not wanted else prf(said, wanted)[2]


def novel(prediction: str, answer: str, history: str) -> float:
    known = set(squad(history, nfd=True)) | set(STOPWORDS.split())
    said, wanted = ([t for t in squad(text, nfd=True) if t not in known] for text in (prediction, answer))
    return prf(said, wanted)[2]


CMRC_MARKS = list("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")


def cmrc_bare(text: str) -> str:
    kept = text.lower().strip()
    for mark in CMRC_MARKS:
        kept = kept.replace(mark, "")
    return kept


def cmrc_segments(text: str) -> list[str]:
    """Only for texts whose English runs split at blanks and at ? ! ; ( ), where the tokenizer has nothing to decide."""
    spaced = "".join(f" {c} " if "\u4e00" <= c <= "\u9fa5" or c in "?!;()" else c for c in cmrc_bare(text))
    return spaced.split()


def cmrc(prediction: str, answer: str) -> float:
    said, wanted = cmrc_segments(prediction), cmrc_segments(answer)
    runs = {tuple(said[i:j]) for i in range(len(said)) for j in range(i + 1, len(said) + 1)}
    longest = max(
        (j - i for i in range(len(wanted)) for j in range(i + 1, len(wanted) + 1) if tuple(wanted[i:j]) in runs),
        default=0,
    )
    if not longest:
        return 0.0
    p, r = longest / len(said), longest / len(wanted)
    return (2 * p * r) / (p + r)


ENGLISH = (
    "the a an The A AN yes no No. noanswer Yes, 1858 1,836 3.5 U.S. O'Neil's New York-based résumé naïve "
    "ﬁne Straße İzmir "
    "it's don't can't cannot gonna 'tis \"quoted\" (in) 12–14 ½ £5 50% e-mail under_score a_b the. a.m. and of in with "
    "Σίσυφος ЁЛКА i you who \u00a0 \u2003 'a' «the» ` ’s ‘x’ ´ __ --- ... ? ! ; cat cat dog DOG dog's X x_y"
).split(" ")
CHINESE = (
    "北京 大学 在 哪里 ？ 《战国无双3》 ， 光荣 和 ω-force 1998 年 "
    "（ ） ( ) “ ” ’ · 、 …… 的 GPT NBA ! ? ; - － ～ abc 一 龥 㐀"
).split(" ")


TREEBANK = (
    "it's don't cannot gonna wanna gimme lemme gotta 'tis 'twas d'ye more'n can't they're we've you'll i'd i'm "
    "'quoted' "
    "\"double\" ''two'' ``back`` u.s. e.g. end. ellipsis... --dash-- 3,000 1:30 a:b x,y 50% $5 #tag @me a&b {b} "
    "[c] <d> "
    "(e) «f» “g” ‘h’ „i ’s 2012–2015 —em― star* why? no! semi;colon ' \" . , : '' n't rock'n'roll o'neil .5 "
    "a.b.c. ½ café"
).split(" ")


def text(random_: random.Random, words: list[str], longest: int = 8) -> str:
    picked = [random_.choice(words) for _ in range(random_.randrange(longest + 1))]
    blank = "" if words is CHINESE and random_.random() < 0.7 else random_.choice([" ", " ", " ", "  ", "\n"])
    return blank.join(picked)


def pair(random_: random.Random, words: list[str]) -> tuple[str, list[str]]:
    """A prediction and one to three gold answers; half of the predictions are made from a gold answer."""
    answers = [text(random_, words) for _ in range(random_.choice([1, 1, 2, 3]))]
    if random_.random() < 0.5:
        return text(random_, words), answers
    kept = random_.choice(answers)
    cut = random_.randrange(len(kept) + 1)
    stop = "。" if words is CHINESE else "."
    made = random_.choice(
        [kept, kept.upper(), "The " + kept + stop, kept[:cut], kept[cut:], kept + " " + kept, kept[::-1]]
    )
    return made, answers
