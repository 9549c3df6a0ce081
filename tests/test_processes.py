"""Test_processes: many programs commit to one volume at once, and nothing of anybody's is missing."""

import subprocess
import sys
from pathlib import Path as FilePath

import vgit
from tests.gitjudge import fsck, log

ROOT = FilePath(__file__).parent.parent
PROCESSES = 8
COMMITS = 50

_WRITER = """
import sys
from pathlib import Path
import vgit
store, place, number, commits = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
volume = vgit.Volume.from_name("x", client=vgit.Client(store))
with volume.mount(Path(place, f"m{number}")) as path:
    for turn in range(commits):
        (path / f"own-{number}-{turn}").write_text(f"{number} {turn}")
        (path / "shared").write_text(f"{number} {turn}")
        assert volume.commit() is not None
        if turn % 10 == 9:
            volume.reload()
"""


def test_every_commit_of_every_process_is_in_the_log(tmp_path: FilePath) -> None:
    client = vgit.Client(tmp_path / "store")
    volume = vgit.Volume.from_name("x", create_if_missing=True, client=client).hydrate()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, client.store, str(tmp_path), str(number), str(COMMITS)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    errors = [writer.communicate()[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * PROCESSES, errors
    names = {entry.path for entry in volume.iterdir("/")}
    expected = {f"own-{number}-{turn}" for number in range(PROCESSES) for turn in range(COMMITS)}
    assert names == expected | {"shared"}
    assert volume.info().commits == PROCESSES * COMMITS + 1
    assert len(log(volume.git_dir)) == PROCESSES * COMMITS + 1
    fsck(volume.git_dir)
    with volume.mount(tmp_path / "last", read_only=True) as path:
        assert all((path / name).read_text() == " ".join(name.split("-")[1:]) for name in expected)
