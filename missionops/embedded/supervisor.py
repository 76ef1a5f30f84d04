"""Keeps one server for exactly as long as its owner lives; run as a script, with the standard library only.

The owner holds the other end of our standard input. A byte there says "stop the server". Its end says that the owner
is gone, by whatever signal: then the server is stopped too, and what the owner meant to remove is removed.
We write the server's process id to standard output, and exit when it exits, with its code.
"""

import argparse
import contextlib
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

REMOVAL_TRIES = 10
LOG_BYTES = 16 << 20
LOG_SECONDS = 10.0


def main() -> int:
    arguments = _arguments()
    _outlive_signals()
    shares = [_share(directory) for directory in arguments.remove]
    server = _launch(arguments)
    _tell(server.pid)
    threading.Thread(target=_end_on_word, args=(server, arguments.grace), daemon=True).start()
    if arguments.log:
        log = arguments.log, arguments.log_bytes, arguments.log_seconds
        threading.Thread(target=_keep_log_short, args=log, daemon=True).start()
    code = server.wait()
    if _owner_is_gone():
        for directory, share in zip(arguments.remove, shares, strict=True):
            _remove_if_last(directory, share)
    return code if code >= 0 else 128 - code


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--remove", type=Path, action="append", default=[])
    parser.add_argument("--inherit", type=int, action="append", default=[])
    parser.add_argument("--user", type=int)
    parser.add_argument("--group", type=int)
    parser.add_argument("--cwd")
    parser.add_argument("--grace", type=float, default=3)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--log-bytes", type=int, default=LOG_BYTES)
    parser.add_argument("--log-seconds", type=float, default=LOG_SECONDS)
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def _outlive_signals() -> None:
    # A handler, not SIG_IGN: the server would inherit SIG_IGN, and Go programs honour it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)


def _share(directory: Path) -> int:
    """Counts us among those who use the directory."""
    descriptor = os.open(directory, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _launch(arguments: argparse.Namespace) -> "subprocess.Popen[bytes]":
    # The working directory is entered before the user changes: it may lie where that user cannot go by name.
    return subprocess.Popen(  # noqa: S603 - the command is our owner's
        arguments.command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        cwd=arguments.cwd,
        pass_fds=arguments.inherit,
        user=arguments.user,
        group=arguments.group,
        extra_groups=None if arguments.user is None else [],
    )


def _tell(pid: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # The owner is gone already; our standard input says so too.
        os.write(sys.stdout.fileno(), b"%d" % pid)


def _end_on_word(server: "subprocess.Popen[bytes]", grace: float) -> None:
    os.read(sys.stdin.fileno(), 1)  # Blocks until there is a byte, or nobody left to write one.
    server.send_signal(signal.SIGINT)
    try:
        server.wait(grace)
    except subprocess.TimeoutExpired:
        server.kill()


def _keep_log_short(log: Path, most: int, pause: float) -> None:
    """Our standard error is the server's log. What is too long becomes `<log>.1`, in place of the one before.

    Cut in place, since the server keeps it open: who appends goes on at its beginning. What is written between the
    copy and the cut is lost.
    """
    while True:
        time.sleep(pause)
        if os.fstat(sys.stderr.fileno()).st_size > most:
            with contextlib.suppress(OSError):  # A full disk, say: shortening it helps all the more.
                shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.ftruncate(sys.stderr.fileno(), 0)


def _owner_is_gone() -> bool:
    poll = select.poll()
    poll.register(sys.stdin.fileno(), 0)  # A hang-up is reported unasked.
    return bool(poll.poll(0))


def _remove_if_last(directory: Path, share: int) -> None:
    try:
        fcntl.flock(share, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # Another keeper still uses it, and removes it.
    for _ in range(REMOVAL_TRIES):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.1)  # A killed server's own children may still be writing.


if __name__ == "__main__":
    sys.exit(main())
