"""Who is alive and who leads, by locks on files beside the spool.

The kernel drops an flock when its process ends, however it ends. A process id would not do: after a restart of the
container the same ids are given again within the same boot of the machine, so a dead worker would look alive.
"""

import fcntl
import os
import uuid
from pathlib import Path
from types import TracebackType


class FileLock:
    """An exclusive flock that lasts until it is released or the process ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd is not None

    def try_acquire(self) -> bool:
        """True if the lock is ours now; never waits."""
        if self._fd is not None:
            return True
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return False
        # Whoever held it may have removed the file between our open and our lock: then we hold a lock on nothing.
        if not _is_same_file(fd, self.path):
            os.close(fd)
            return False
        self._fd = fd
        return True

    def release(self, remove: bool = False) -> None:
        """Gives the lock up; `remove` takes the file away while it is still ours."""
        if self._fd is None:
            return
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = None

    def __enter__(self) -> bool:
        return self.try_acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def leader_lock(spool: Path) -> FileLock:
    """One worker of all that share a spool delivers."""
    return FileLock(spool.with_name(spool.name + ".leader"))


def worker_path(spool: Path, worker: str) -> Path:
    """The file whose lock says that this worker lives."""
    return spool.with_name(f"{spool.name}.worker-{worker}")


def start_worker(spool: Path) -> tuple[str, FileLock]:
    """A new worker id with its lock held, before the worker writes its first row."""
    while True:
        worker = uuid.uuid4().hex
        lock = FileLock(worker_path(spool, worker))
        if lock.try_acquire():
            return worker, lock


def _is_same_file(fd: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(fd)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
