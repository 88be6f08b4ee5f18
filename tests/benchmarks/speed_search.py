"""What searches cost over the default index and over large ones."""

from tests.benchmarks.sides import Row, ours


def hybrid(rounds: int) -> list[Row]:
    """One query at a time, over the encoder alone."""
    found = [ours("hybrid_search") for _ in range(rounds)]
    return [
        Row(
            "hybrid search of one query, default index",
            "its encoder alone",
            [one[f"search_{of}_ms"] for one in found],
            [one[f"encoder_{of}_ms"] for one in found],
            unit,
            "≤ 1.3×",
        )
        for of, unit in (("cpu", "ms CPU"), ("wall", "ms"))
    ]


def met(rounds: int) -> list[Row]:
    """Searches of 256 runs at a time over the default index."""
    found = [ours("met_searches") for _ in range(rounds)]
    together, alone = [one["met"] for one in found], [one["alone"] for one in found]
    return [Row("256 searches at a time, default index", "one at a time", together, alone, "searches/s", "≥ 1.5×")]


def door(rounds: int) -> list[Row]:
    """1,000 vectors through the Retriever door, over the bare index and a list of texts."""
    found = ours("door", rounds)
    what, bare = "1,000 vectors through the Retriever door, 50,000 passages", "`index.search` and a list of texts"
    return [
        Row(f"{what}, {side}", bare, found[f"{of}_{took}_ms"], found[f"bare_{took}_ms"], unit, "≤ 1.15×")
        for of, side in (("again", "found before"), ("first", "each found for the first time"))
        for took, unit in (("cpu", "ms CPU"), ("wall", "ms"))
    ]
