"""Make fixture store: the fixture of a version that is out is not made again."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parent.parent.parent / "tools" / "make_fixture_store"


@pytest.mark.parametrize("version", ["0.1.0", "0.1.0.dev0"])
def test_a_version_that_has_a_tag_is_refused(tmp_path: Path, version: str) -> None:
    (tmp_path / "vgit").mkdir()
    (tmp_path / "vgit" / "__init__.py").write_text(f"__version__ = {version!r}\n")
    (tmp_path / "tools").mkdir()
    shutil.copy(TOOL, tmp_path / "tools")
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for words in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "out"], ["tag", "v0.1.0"]):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    maker = [sys.executable, tmp_path / "tools" / "make_fixture_store"]
    done = subprocess.run(maker, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "git has a tag v0.1.0" in done.stderr and "__version__" in done.stderr
    assert not (tmp_path / "tests").exists()
