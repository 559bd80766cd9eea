"""Notifications: messages to people by webhook, mail or chat, sent by Apprise.

What belongs here: sending. Not: what is worth a message (orchestration). A notifier that fails or hangs does not stop
a run.
"""

import logging
from threading import Thread

from lakehouse.settings import Settings

_TIMEOUT = 10.0
"""Seconds that a run waits for all notifiers together."""


def notify(settings: Settings, title: str, body: str) -> bool:
    """Send to every address of SLIPWAY_NOTIFY. False when there is none, or when one failed or did not answer."""
    if not settings.notify:
        return False
    sent: list[bool] = []
    thread = Thread(target=_send, args=(settings, title, body, sent), daemon=True)
    thread.start()
    thread.join(_TIMEOUT)
    return bool(sent) and sent[0]


def _send(settings: Settings, title: str, body: str, sent: list[bool]) -> None:
    # What Apprise logs names addresses, and addresses hold tokens.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    try:
        import apprise

        notifier = apprise.Apprise()
        understood = [bool(notifier.add(address)) for address in settings.notify]
        sent.append(all(understood) and bool(notifier.notify(title=title, body=body)))
    except Exception:  # noqa: BLE001  # whatever a notifier raises must not stop a pipeline, nor show an address
        sent.append(False)
