"""Alerts to a webhook that takes what Slack takes: ``{"text": "…"}``, posted from a thread of its own.

What cannot be delivered waits and is sent again, with growing pauses, in the order it happened. A message that the other side
refuses for what it is (a status 4xx but 408, 425 and 429) is dropped and logged: it would be refused again, and those behind it
with it. Where too much waits, the pairs
of alerts that fired and resolved meanwhile go first: what still fires is never dropped, and it is bounded by the rules.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import orjson
import structlog
import urllib3

from hexar.core.telemetry.alerts import Alert

log = structlog.get_logger(__name__)

#: Seconds that one post may take, the shortest and the longest pause after a failure, and what the end waits for.
TIMEOUT, PAUSE, LONGEST_PAUSE, END_SECONDS = 5.0, 1.0, 60.0, 2.0
#: Messages that may wait before those of resolved alerts are dropped.
MOST_WAITING = 1000
#: Statuses 4xx that say "later", not "never".
LATER = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class _Message:
    alert: Alert
    resolved: bool

    @property
    def about(self) -> tuple[str, str, float]:
        return self.alert.rule, self.alert.subject, self.alert.since


class Webhook:
    """A sink of alerts. ``name`` is who speaks.

    Thread-safety: :meth:`fired` and :meth:`resolved` may be called from any thread and return at once.
    """

    def __init__(
        self, url: str, name: str, *, most: int = MOST_WAITING, wait: Callable[[threading.Event, float], bool] | None = None
    ) -> None:
        self._url = url
        self._name = name
        self._most = most
        self._waiting: deque[_Message] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._wait = wait or threading.Event.wait
        #: Messages that were posted, and posts that failed.
        self.sent = 0
        self.failures = 0
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(TIMEOUT))
        self._thread = threading.Thread(target=self._run, name="alert-webhook", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Messages that are not posted yet."""
        return len(self._waiting)

    def fired(self, alert: Alert) -> None:
        """Post that ``alert`` fires."""
        self._put(_Message(replace(alert), False))

    def resolved(self, alert: Alert) -> None:
        """Post that ``alert`` is resolved."""
        self._put(_Message(replace(alert), True))

    def close(self) -> None:
        """Try once more to post what waits, for a moment."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(END_SECONDS)

    def _put(self, message: _Message) -> None:
        with self._changed:
            self._waiting.append(message)
            if len(self._waiting) > self._most:
                self._drop_pair()
            self._changed.notify_all()

    def _drop_pair(self) -> None:
        over = {message.about for message in self._waiting if message.resolved}
        for message in list(self._waiting):
            if message.about in over:
                # Where its firing was posted, its resolution still matters: that alone stays as long as there is another pair.
                pair = [other for other in self._waiting if other.about == message.about]
                if len(pair) == 2:
                    for other in pair:
                        self._waiting.remove(other)
                    log.warning("alert_dropped", rule=message.alert.rule, subject=message.alert.subject)
                    return

    def _run(self) -> None:
        until, pause = 0.0, PAUSE
        while True:
            with self._changed:
                while not self._waiting and not self._closing.is_set():
                    self._changed.wait()
                if not self._waiting:
                    return
                message = self._waiting[0]
            done = self._post(message)
            if done:
                pause = PAUSE
                with self._changed:
                    # It may have been dropped meanwhile, as one of a pair.
                    if self._waiting and self._waiting[0] is message:
                        self._waiting.popleft()
            elif self._closing.is_set():
                return
            else:
                self._wait(self._closing, pause)
                pause = min(LONGEST_PAUSE, pause * 2)
            if self._closing.is_set():
                until = until or time.monotonic() + END_SECONDS
                if time.monotonic() >= until:
                    return

    def _post(self, message: _Message) -> bool:
        """Whether the message is done with: taken, or refused for good."""
        alert = message.alert
        word = "resolved" if message.resolved else "firing"
        text = f"[{word}] {self._name}: {alert.rule}: {alert.text}"
        try:
            answer = self._http.request(
                "POST", self._url, body=orjson.dumps({"text": text}), headers={"content-type": "application/json"}
            )
        except urllib3.exceptions.HTTPError as error:
            self._failed(type(error).__name__)
            return False
        if answer.status >= 300:
            self._failed(f"status {answer.status}")
            refused = 400 <= answer.status < 500 and answer.status not in LATER
            if refused:
                log.warning("alert_refused", rule=alert.rule, subject=alert.subject, status=answer.status)
            return refused
        self.sent += 1
        return True

    def _failed(self, reason: str) -> None:
        self.failures += 1
        if self.failures & (self.failures - 1) == 0:
            # The first time, and then ever more seldom.
            log.warning("webhook_failed", reason=reason, failures=self.failures, waiting=len(self._waiting))
