"""Tasks that end together."""

import asyncio
from collections.abc import Coroutine
from typing import Any

_INSISTENCE = 1.0


class TaskGroup(asyncio.TaskGroup):
    """Tasks that end together, also those that do not end at their first cancellation.

    nats-py swallows one while it waits for its flusher, asyncio.wait_for one that meets the result (before Python
    3.12), and a database that is cut off keeps a rollback waiting.
    """

    def __init__(self) -> None:
        super().__init__()
        self._unfinished: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin a task of the group."""
        task = self.create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._finish)
        return task

    def end(self, *tasks: asyncio.Task[None]) -> None:
        """Cancel these, again and again until they are done."""
        left = [task for task in tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            asyncio.get_running_loop().call_later(_INSISTENCE, self.end, *left)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._unfinished.discard(task)
        if not task.cancelled() and task.exception():  # the group itself cancels the others, once
            asyncio.get_running_loop().call_later(_INSISTENCE, lambda: self.end(*self._unfinished))
