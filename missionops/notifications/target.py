"""A target: somewhere that Apprise sends a message to, in a thread, since Apprise waits for the network.

The address holds passwords and tokens. Apprise and what it is built on log it, and put it into the texts of errors: so
nothing that they log is passed on, and why a message could not be sent is said in words of our own.
"""

import asyncio
import logging
import re
import threading
from types import ModuleType
from typing import Any

from missionops.domain.notification.text import Notification
from missionops.errors import SetupError

SEND_TIME = 20.0
"""Seconds that a target gets for one message."""
_HUNG = 4
"""Threads of a target that may still be in a call that took too long."""
_OF_LEVEL = ("success", "info", "warning", "failure", "failure")
_TALKATIVE = ("urllib3", "requests", "requests_oauthlib", "oauthlib", "charset_normalizer")


class Target:
    """One target of the notify file."""

    def __init__(self, name: str, sender: Any, reasons: "_Reasons") -> None:
        self.name = name
        self._sender = sender
        self._reasons = reasons
        self._hung: list[threading.Thread] = []

    @classmethod
    def at(cls, name: str, address: str) -> "Target | None":
        """The target with this address; None if Apprise knows none such. SetupError if Apprise is not installed."""
        apprise, reasons = _apprise()
        asset = apprise.AppriseAsset(
            app_id="missionops", app_desc="missionops", app_url="", image_url_mask="", image_url_logo="",
            async_mode=False, storage_mode="memory", service_timeout=0,
        )  # fmt: skip
        try:
            service = apprise.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)
        except Exception:  # noqa: BLE001 - a plugin's own fault; its text may hold the address
            service = None
        if service is None:
            return None
        if "overflow=" not in address:  # what a message has too much is cut; its beginning matters most
            service.overflow_mode = apprise.OverflowMode.TRUNCATE
        service.optional = False  # or a message that it does not take would count as sent
        sender = apprise.Apprise(asset=asset)
        return cls(name, sender, reasons) if sender.add(service) else None

    async def send(self, message: Notification) -> str | None:
        """Send a message; None once the target has taken it, else why not, in words without its address."""
        self._hung = [thread for thread in self._hung if thread.is_alive()]
        if len(self._hung) >= _HUNG:
            return f"{_HUNG} earlier calls have not come back"
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[str | None] = loop.create_future()

        def answer(reason: str | None) -> None:
            if not answered.done():
                answered.set_result(reason)

        def call() -> None:
            reason = self._call(message)
            try:
                loop.call_soon_threadsafe(answer, reason)
            except RuntimeError:  # the service has ended meanwhile
                return

        # A daemon: a target that hangs keeps no service from ending.
        thread = threading.Thread(target=call, name=f"notify {self.name}", daemon=True)
        thread.start()
        try:
            async with asyncio.timeout(SEND_TIME):
                return await answered
        except TimeoutError:
            self._hung.append(thread)
            return f"no answer within {SEND_TIME:g} s"

    def _call(self, message: Notification) -> str | None:
        self._reasons.begin()
        try:
            is_sent = self._sender.notify(
                title=message.title, body=message.body, notify_type=_OF_LEVEL[message.level], body_format="text"
            )
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises; its text may hold the address
            return f"it failed by {type(error).__name__}"
        return None if is_sent else self._reasons.found()


class _Reasons(logging.Handler):
    """Reads what Apprise logs in each thread, and keeps of it what cannot hold an address."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._of_thread = threading.local()

    def begin(self) -> None:
        """Forget what was logged in this thread."""
        self._of_thread.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Take what is logged."""
        try:
            self._of_thread.text = f"{getattr(self._of_thread, 'text', '')} {record.getMessage()}"[-2_000:]
        except Exception:  # noqa: BLE001 - a log line that cannot be formatted says nothing
            return

    def found(self) -> str:
        """Why a message was not sent."""
        text = getattr(self._of_thread, "text", "")
        if status := re.search(r"\berror[= ]([1-5][0-9]{2})\b", text):
            return f"it answered with the status {status[1]}"
        if re.search("connection|socket|timed? ?out", text, re.IGNORECASE):
            return "there was no connection, or no answer"
        return "it was refused"


_found: tuple[ModuleType, _Reasons] | None = None


def _apprise() -> tuple[ModuleType, _Reasons]:
    """Apprise, imported when it is needed, and what it says."""
    global _found  # noqa: PLW0603 - imported once in a process
    if _found is None:
        try:
            import apprise  # noqa: PLC0415 - an extra, which takes a fifth of a second to import
        except ImportError:
            raise SetupError(
                "A notify file is named, and Apprise, which sends notifications, is not installed: install "
                "missionops[notify]."
            ) from None
        reasons = _Reasons()
        logger = logging.getLogger("apprise")
        logger.handlers, logger.propagate = [reasons], False
        logger.setLevel(logging.WARNING)
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        _found = apprise, reasons
    return _found
