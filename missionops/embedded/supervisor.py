"""Runs one server for as long as the process that started it (the owner); needs only the standard library.

The owner writes a byte to the supervisor's standard input to stop the server. The end of the input means that the owner
has ended, by whatever signal: then the server is stopped too, and the owner's temporary directories are removed.
The supervisor writes the server's process id to standard output, and exits when the server and all processes that the
server started have ended, with the server's code.
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
CHILDREN_SECONDS = 5.0
"""How long the children of a server that has ended are waited for."""
LOG_BYTES = 16 << 20
LOG_SECONDS = 10.0


def main() -> int:
    arguments = _arguments()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A handler that does nothing, not SIG_IGN: the server would inherit SIG_IGN, and Go programs honour it.
        signal.signal(number, lambda *_: None)
    shares = []
    for directory in arguments.remove:  # a shared lock on each shows that this process uses it
        shares.append(os.open(directory, os.O_RDONLY))
        fcntl.flock(shares[-1], fcntl.LOCK_SH)
    # The server's children inherit one end of a pipe from it: its other end reports a hang-up when the last has ended.
    children, inherited = os.pipe()
    # The working directory is entered before the user changes, because that user may not be able to reach it by name.
    server = subprocess.Popen(  # noqa: S603 - the command is our owner's
        arguments.command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        cwd=arguments.cwd,
        pass_fds=(*arguments.inherit, inherited),
        user=arguments.user,
        group=arguments.group,
        extra_groups=None if arguments.user is None else [],
    )
    os.close(inherited)
    with contextlib.suppress(BrokenPipeError):  # The owner has ended; standard input shows it too.
        os.write(sys.stdout.fileno(), b"%d" % server.pid)
    threading.Thread(target=_stop_on_request, args=(server, arguments.grace), daemon=True).start()
    if arguments.log:
        log = arguments.log, arguments.log_bytes, arguments.log_seconds
        threading.Thread(target=_rotate_log, args=log, daemon=True).start()
    code = server.wait()
    # Those of a server that was killed still run for a moment: PostgreSQL's write to its data until they notice.
    select.select([children], [], [], CHILDREN_SECONDS)
    owner = select.poll()
    owner.register(sys.stdin.fileno(), 0)  # a hang-up is reported without being requested
    if owner.poll(0):
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


def _stop_on_request(server: "subprocess.Popen[bytes]", grace: float) -> None:
    os.read(sys.stdin.fileno(), 1)  # Waits until the owner writes a byte or ends.
    server.send_signal(signal.SIGINT)
    try:
        server.wait(grace)
    except subprocess.TimeoutExpired:
        server.kill()


def _rotate_log(log: Path, max_bytes: int, pause: float) -> None:
    """Copy the server's log, which is standard error, to `<log>.1` when it is too long, and empty it.

    The server keeps the file open and appends to it, so it continues at the beginning. Lines that it writes between the
    copy and the truncation are lost.
    """
    while True:
        time.sleep(pause)
        if os.fstat(sys.stderr.fileno()).st_size > max_bytes:
            with contextlib.suppress(OSError):  # On a full disk the truncation alone helps.
                shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.ftruncate(sys.stderr.fileno(), 0)


def _remove_if_last(directory: Path, share: int) -> None:
    try:
        fcntl.flock(share, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # Another supervisor still uses it, and removes it.
    for _ in range(REMOVAL_TRIES):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.1)  # A killed server's own children may still be writing.


if __name__ == "__main__":
    sys.exit(main())
