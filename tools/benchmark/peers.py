"""Peers: how each tool is asked to do each operation (see peer.py)."""

import shlex
import subprocess
import sys
from pathlib import Path

from benchmark.measuring import Command
from benchmark.peer import RANGE_BYTES, ROOT, Peer
from benchmark.workloads import Workload


class Vgit(Peer):
    """The vgit of this tree, as whole processes and from within a program."""

    name = "vgit"
    program = sys.executable
    shares_chunks = True
    volume = "bench"

    @classmethod
    def version(cls) -> str:
        done = subprocess.run(
            ["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
        )
        return f"vgit {done.stdout.strip() or 'of this tree'}, Python {sys.version.split()[0]}"

    def environment(self) -> dict[str, str]:
        return {"VGIT_STORE": str(self.store), "VGIT_AUTHOR": "Bench <bench@bench>", "PYTHONPATH": str(ROOT)}

    def prepare(self) -> None:
        self.run(*self._vgit, "mount", "--create", self.volume, self.work)

    def remember_first(self) -> None:
        self.run(*self._vgit, "tag", self.volume, "first")

    def commit(self) -> Command:
        return self.command(*self._vgit, "commit", self.work)

    def checkout(self) -> Command:
        return self.command(*self._vgit, "mount", self.volume, self.copy)

    def reload(self) -> Command:
        return self.command(*self._vgit, "reload", self.copy)

    def switch(self) -> Command:
        """Publish an old state as the newest and bring it in by a reload, twice: the second time leads back."""
        vgit = shlex.join(self._vgit)
        once = f"{vgit} restore {self.volume} HEAD~1\n{vgit} reload {shlex.quote(str(self.work))}\n"
        return self.script(once * 2)

    def list_all(self) -> Command:
        return self.command(*self._vgit, "ls", "-R", "-l", self.volume, durable=False)

    def read(self, path: str) -> Command:
        return self.command(*self._vgit, "cat", self.volume, path, "--at", "first", durable=False)

    def read_range(self, path: str, offset: int) -> Command:
        command = self.read(path)
        return command._replace(argv=[*command.argv, "--offset", str(offset), "--length", str(RANGE_BYTES)])

    def get(self) -> Command:
        return self.command(*self._vgit, "get", self.volume, "/", self.place / "got")

    def put(self) -> Command:
        self.run(*self._vgit, "create", "second")
        return self.command(*self._vgit, "put", "second", f"{self.place / 'got'}/", "/")

    def commits_of_one_file(self, workload: Workload) -> Command:
        return self.child("commits", self.work, str(workload.commits))

    def log(self) -> Command:
        return self.command(*self._vgit, "log", self.volume, durable=False)

    def log_path(self, path: str) -> Command:
        return self.command(*self._vgit, "log", self.volume, path, durable=False)

    def diff_ends(self) -> Command:
        return self.command(*self._vgit, "diff", self.volume, "first", "HEAD", durable=False)

    def library(self, workload: Workload) -> list[Command]:
        return [
            self.child("library", self.work, workload.read, str(workload.range_at)),
            self.child("hash", self.work / workload.read),
        ]

    @property
    def _vgit(self) -> list[str]:
        return [sys.executable, "-m", "vgit"]


class Copy(Peer):
    """``cp -a``: the reference. It keeps states as whole copies."""

    name = "cp"
    program = "cp"

    def commit(self) -> Command:
        self.commits += 1
        return self.command("cp", "-a", self.work, self.store / str(self.commits))

    def noop(self) -> None:
        return None

    def checkout(self) -> Command:
        return self.command("cp", "-a", self.store / "1", self.copy)

    def list_all(self) -> Command:
        return self.command("find", self._newest, "-printf", "%s %P\\n", durable=False)

    def read(self, path: str) -> Command:
        return self.command("cat", self.store / "1" / path, durable=False)

    def get(self) -> Command:
        return self.command("cp", "-a", self._newest, self.place / "got")

    def put(self) -> Command:
        return self.command("cp", "-a", self.place / "got", self.store / "put")

    @property
    def _newest(self) -> Path:
        return self.store / str(self.commits)


class Rsync(Copy):
    """``rsync --link-dest``: states are copies that share unchanged files as hard links."""

    name = "rsync"
    program = "rsync"

    def commit(self) -> Command:
        self.commits += 1
        links = [f"--link-dest={self.store / str(self.commits - 1)}"] if self.commits > 1 else []
        return self.command("rsync", "-a", *links, f"{self.work}/", f"{self._newest}/")

    def noop(self) -> Command:
        return self.commit()

    def checkout(self) -> Command:
        return self.command("rsync", "-a", f"{self._newest}/", f"{self.copy}/")

    def reload(self) -> Command:
        return self.command("rsync", "-a", "--delete", f"{self._newest}/", f"{self.copy}/")

    def switch(self) -> Command:
        once = "rsync -a --delete {}/ {}/\n"
        return self.script(once.format(self.store / "1", self.work) + once.format(self._newest, self.work))

    def get(self) -> None:
        return None

    def put(self) -> None:
        return None


class Git(Peer):
    """git as it is configured by default, but that it never packs in the background, which is in its favour."""

    name = "git"
    program = "git"
    settings: tuple[str, ...] = ("gc.auto=0",)

    def environment(self) -> dict[str, str]:
        people = {f"GIT_{who}_{what}": "bench" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        found = dict(setting.split("=", 1) for setting in self.settings)
        pairs = [
            (f"GIT_CONFIG_{kind}_{number}", text)
            for number, pair in enumerate(found.items())
            for kind, text in zip(("KEY", "VALUE"), pair, strict=True)
        ]
        nothing = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        return {**people, **nothing, "GIT_CONFIG_COUNT": str(len(found)), **dict(pairs)}

    def prepare(self) -> None:
        self.run("git", "init", "-q", "-b", "main", self.work)

    def stored(self) -> list[Path]:
        return [self.work / ".git"]

    def remember_first(self) -> None:
        self.run("git", "tag", "first", cwd=self.work)

    def commit(self) -> Command:
        return self.script("git add -A; git commit -q -m bench", self.work)

    def noop(self) -> Command:
        return self.script("git add -A; git diff --cached --quiet", self.work)

    def checkout(self) -> Command:
        return self.command("git", "clone", "-q", self.work, self.copy)

    def reload(self) -> Command:
        return self.command("git", "pull", "-q", "--ff-only", cwd=self.copy)

    def switch(self) -> Command:
        return self.script("git checkout -q HEAD~1; git checkout -q main", self.work)

    def list_all(self) -> Command:
        return self.command("git", "ls-tree", "-r", "-l", "HEAD", cwd=self.work, durable=False)

    def read(self, path: str) -> Command:
        return self.command("git", "cat-file", "blob", f"first:{path}", cwd=self.work, durable=False)

    def commits_of_one_file(self, workload: Workload) -> Command:
        return self.child("git-commits", self.work, str(workload.commits))

    def log(self) -> Command:
        return self.command("git", "log", cwd=self.work, durable=False)

    def log_path(self, path: str) -> Command:
        return self.command("git", "log", "--", path, cwd=self.work, durable=False)

    def diff_ends(self) -> Command:
        return self.command("git", "diff", "--name-status", "first", "HEAD", cwd=self.work, durable=False)


class TunedGit(Git):
    """git with what makes it fast: nothing compressed, large files straight into packs, no syncs but the last."""

    name = "git-tuned"
    settings = (
        *Git.settings,
        "core.compression=0",
        "core.looseCompression=0",
        "pack.compression=0",
        "core.bigFileThreshold=4m",
        "core.fsync=none",
        "feature.manyFiles=true",  # index version 4, untracked cache
        "core.preloadIndex=true",
        "index.threads=true",
        "checkout.workers=0",  # one for each processor
        "pack.threads=0",
        "pack.window=0",
    )


class Restic(Peer):
    """restic as it is configured by default, its cache in the place."""

    name = "restic"
    program = "restic"
    shares_chunks = True
    _first = "latest"

    def environment(self) -> dict[str, str]:
        return {"RESTIC_PASSWORD": "bench", "RESTIC_REPOSITORY": str(self.store)}

    def prepare(self) -> None:
        self.run("restic", "-q", "init")

    def remember_first(self) -> None:
        self._first = self.run("restic", "-q", "snapshots", "--json", "latest").partition('"id":"')[2][:16]

    def commit(self) -> Command:
        return self.command("restic", "-q", "backup", ".", cwd=self.work)

    def checkout(self) -> Command:
        return self.command("restic", "-q", "restore", "latest", "--target", self.copy)

    def list_all(self) -> Command:
        return self.command("restic", "-q", "ls", "-l", "latest", durable=False)

    def read(self, path: str) -> Command:
        return self.command("restic", "-q", "dump", self._first, f"/{path}", durable=False)


class Borg(Peer):
    """borg as it is configured by default, without encryption."""

    name = "borg"
    program = "borg"
    shares_chunks = True

    def environment(self) -> dict[str, str]:
        return {
            "BORG_REPO": str(self.store),
            "BORG_BASE_DIR": str(self.place / "home"),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }

    def prepare(self) -> None:
        self.run("borg", "init", "--encryption", "none")

    def commit(self) -> Command:
        self.commits += 1
        return self.command("borg", "create", f"::{self.commits}", ".", cwd=self.work)

    def checkout(self) -> Command:
        self.copy.mkdir()
        return self.command("borg", "extract", f"::{self.commits}", cwd=self.copy)

    def list_all(self) -> Command:
        return self.command("borg", "list", f"::{self.commits}", durable=False)

    def read(self, path: str) -> Command:
        return self.command("borg", "extract", "--stdout", "::1", path, durable=False)


class Ostree(Peer):
    """ostree in bare-user mode; checkouts are copies, as the hard links it can make must not be written to."""

    name = "ostree"
    program = "ostree"
    _first = "main"

    def prepare(self) -> None:
        self.run("ostree", "init", f"--repo={self.store}", "--mode=bare-user")

    def remember_first(self) -> None:
        self._first = self.run("ostree", f"--repo={self.store}", "rev-parse", "main")

    def commit(self) -> Command:
        return self._ostree("commit", "--branch=main", "--subject=bench", f"--tree=dir={self.work}")

    def checkout(self) -> Command:
        return self._ostree("checkout", "--user-mode", "--force-copy", "main", str(self.copy))

    def list_all(self) -> Command:
        return self._ostree("ls", "--recursive", "main", durable=False)

    def read(self, path: str) -> Command:
        return self._ostree("cat", self._first, f"/{path}", durable=False)

    def _ostree(self, verb: str, *arguments: str, durable: bool = True) -> Command:
        return self.command("ostree", verb, f"--repo={self.store}", *arguments, durable=durable)


PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in (Copy, Vgit, Git, TunedGit, Restic, Borg, Ostree, Rsync)}
