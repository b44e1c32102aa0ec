"""Alerts over a scripted incident, with a clock of the test's own; and a webhook that is down."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest

from hexar.core.telemetry.alerts import Alert, Alerts, Rule
from hexar.core.telemetry.webhook import Webhook
from hexar.server.settings.monitor import MonitorConfig
from tests.fix.fleet import until as eventually_sync

SLOW = Rule("slow", "rpc_mean_seconds", 5.0, clear=4.5, for_seconds=60, clear_seconds=30)


class Told:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    def fired(self, alert: Alert) -> None:
        self.events.append(("fired", alert.rule, alert.subject))

    def resolved(self, alert: Alert) -> None:
        self.events.append(("resolved", alert.rule, alert.subject))


def test_an_incident_fires_once_and_resolves_once() -> None:
    """A spike is nothing; what lasts fires; what plays around the limit stays one alert; what is over for long enough ends it."""
    clock, told = [1000.0], Told()
    alerts = Alerts([SLOW], [told], lambda: clock[0])
    script = [
        *[6.0] * 5,  # 50 s: too short
        *[1.0] * 3,
        *[6.0, 7.0] * 10,  # fires in here
        *[4.8, 5.2] * 10,  # between clear and limit: goes on
        *[4.0, 4.0, 4.8] * 3,  # good for 20 s only, each time
        *[4.0] * 10,  # resolves in here
        *[5.5] * 3,  # not for long
        *[1.0] * 20,
    ]
    for value in script:
        alerts.look({"rpc_mean_seconds": {"Query": value, "Chat": 1.0}})
        clock[0] += 10
    assert told.events == [("fired", "slow", "Query"), ("resolved", "slow", "Query")]
    assert alerts.firing == []
    (shown,) = alerts.shown
    assert shown.resolved_at is not None


def test_a_value_that_is_gone_ends_the_alert() -> None:
    """No calls, no fault; each subject has an alert of its own."""
    clock, told = [0.0], Told()
    alerts = Alerts([replace(SLOW, for_seconds=0)], [told], lambda: clock[0])
    alerts.look({"rpc_mean_seconds": {"a": 9.0, "b": 8.0}})
    assert {alert.subject for alert in alerts.firing} == {"a", "b"}
    for clock[0] in (10.0, 50.0):
        alerts.look({"rpc_mean_seconds": {"b": 8.0}})
    assert [alert.subject for alert in alerts.firing] == ["b"]
    assert told.events == [("fired", "slow", "a"), ("fired", "slow", "b"), ("resolved", "slow", "a")] or told.events == [
        ("fired", "slow", "b"),
        ("fired", "slow", "a"),
        ("resolved", "slow", "a"),
    ]


def test_rules_are_data() -> None:
    """The defaults, with what the configuration changes by name."""
    rules = {rule.name: rule for rule in MonitorConfig(rules={"slow_mean": {"above": 3}, "queue": None}).made_rules()}
    assert (rules["slow_mean"].limit, rules["slow_mean"].clear) == (3, None)
    assert "queue" not in rules
    assert rules["static_hit_rate"].above is False
    with pytest.raises(ValueError, match="no such metric"):
        MonitorConfig(rules={"x": {"metric": "nonsense", "above": 1}})
    with pytest.raises(ValueError, match="one of above and below"):
        MonitorConfig(rules={"x": {"metric": "error_rate"}})


class Hook:
    """A webhook on loopback that can be down."""

    def __init__(self) -> None:
        self.down = threading.Event()
        self.texts: list[str] = []
        #: Statuses of messages that hold these words.
        self.refused: dict[str, int] = {}
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                text = orjson.loads(body)["text"]
                status = next((status for word, status in hook.refused.items() if word in text), 200)
                status = 503 if hook.down.is_set() else status
                if status == 200:
                    hook.texts.append(text)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    """One that is up."""
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


def alert(rule: str, number: int = 0) -> Alert:
    """An alert that fires."""
    return Alert(rule, "", f"{rule} is past its limit", 1.0, 0.0, float(number))


def test_what_a_webhook_missed_is_posted_when_it_is_back(hook: Hook) -> None:
    """In order, once each; nobody waits for it meanwhile."""
    hook.down.set()
    webhook = Webhook(hook.url, "shop", wait=lambda event, _: event.wait(0.01))
    webhook.fired(alert("slow"))
    webhook.resolved(alert("slow"))
    webhook.fired(alert("queue"))
    eventually_sync(lambda: webhook.failures >= 3)
    assert (webhook.waiting, hook.texts) == (3, [])
    hook.down.clear()
    eventually_sync(lambda: webhook.sent == 3)
    webhook.close()
    assert [text.split(" is past")[0] for text in hook.texts] == [
        "[firing] shop: slow: slow",
        "[resolved] shop: slow: slow",
        "[firing] shop: queue: queue",
    ]


def test_a_message_that_is_refused_for_good_holds_up_none_behind_it(hook: Hook) -> None:
    """It is dropped; one that is only too early (429) is sent again, before those behind it."""
    hook.refused = {"odd": 400}
    webhook = Webhook(hook.url, "shop", wait=lambda event, _: event.wait(0.01))
    webhook.fired(alert("odd"))
    webhook.fired(alert("slow"))
    eventually_sync(lambda: webhook.sent == 1)
    assert (webhook.failures, webhook.waiting) == (1, 0)
    hook.refused = {"early": 429}
    webhook.fired(alert("early"))
    webhook.fired(alert("queue"))
    eventually_sync(lambda: webhook.failures >= 4)
    assert webhook.waiting == 2
    hook.refused = {}
    eventually_sync(lambda: webhook.sent == 3)
    webhook.close()
    assert [text.split()[2] for text in hook.texts] == ["slow:", "early:", "queue:"]


def test_where_too_much_waits_what_fires_still_is_kept(hook: Hook) -> None:
    """Pairs of alerts that came and went are dropped, the oldest first."""
    hook.down.set()
    webhook = Webhook(hook.url, "shop", most=5, wait=lambda event, _: event.wait(0.01))
    webhook.fired(alert("stays"))
    for number in range(20):
        webhook.fired(alert("flaps", number))
        webhook.resolved(alert("flaps", number))
    assert webhook.waiting <= 6
    hook.down.clear()
    eventually_sync(lambda: webhook.waiting == 0)
    webhook.close()
    assert hook.texts[0].startswith("[firing] shop: stays")
