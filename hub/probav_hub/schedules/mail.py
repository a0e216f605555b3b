"""Mail about runs that ended, sent by the operator's mail server, and again when that gives no answer."""

from __future__ import annotations

import asyncio
import logging
import smtplib
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from probav_hub.authentication import secret
from probav_hub.configuration import Mail
from probav_hub.errors import HubError
from probav_hub.schedules.moments import zone
from probav_hub.schedules.store import Store
from probav_hub.schedules.tables import Run, Schedule

LOG = logging.getLogger("probav.schedules")
SECONDS = 30.0
TRIES = 8
_FIRST_WAIT = 60.0  # seconds; each wait is twice the one before


class Postman:
    """Sends the mails that are due, one after the other, without holding anything else up.

    Parameters
    ----------
    store : Store
    given : Mail or None
        None: no mail is sent.
    link : callable
        Returns the address of a run's history.
    """

    def __init__(self, store: Store, given: Mail | None, link: Callable[[Schedule], str]) -> None:
        self._store, self._given, self._link = store, given, link
        self._task: asyncio.Task[None] | None = None
        self._not_before: dict[int, float] = {}

    def look(self) -> None:
        """Begin to send what is due, unless that goes on."""
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._send())

    async def _send(self) -> None:
        for run, schedule in self._store.mails():
            to = address(self._given, run.user) if self._given else ""
            if self._given is None or not to:
                self._store.mailed(run.id, "", 0)
                continue
            if time.monotonic() < self._not_before.get(run.id, 0.0):
                continue
            mail, tries = message(self._given, to, run, schedule, self._link(schedule)), run.mail_tries + 1
            try:
                await asyncio.to_thread(send, self._given, mail)
            except (OSError, smtplib.SMTPException, HubError) as error:
                LOG.warning("The mail about run %d can't be sent (try %d): %s", run.id, tries, error)
                self._not_before[run.id] = time.monotonic() + _FIRST_WAIT * 2 ** (tries - 1)
                self._store.mailed(run.id, "due" if tries < TRIES else "gave up", tries)
            else:
                self._not_before.pop(run.id, None)
                self._store.mailed(run.id, "sent", tries)


def address(given: Mail, user: str) -> str:
    """Return a user's address, nothing where there is none."""
    found = given.address.format(username=user)
    local, at, host = found.rpartition("@")
    return found if at and local and host and found.isprintable() and not set(found) & set(' ,;<>()"') else ""


def message(given: Mail, to: str, run: Run, schedule: Schedule, link: str) -> EmailMessage:
    """Return the mail about a run that ended."""
    moment = datetime.fromtimestamp(run.moment, UTC).astimezone(zone(schedule.timezone))
    words = {"done": "is done", "failed": "failed", "interrupted": "was interrupted twice"}[run.state]
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Date"] = given.sender, to, formatdate()
    mail["Subject"] = f"Schedule {schedule.name} {words}"
    mail["Message-ID"] = make_msgid(domain=given.sender.rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"
    seconds = (run.ended or 0) - (run.started or run.ended or 0)
    lines = [
        f"The run of {schedule.notebook} for {moment:%Y-%m-%d %H:%M} ({schedule.timezone}) {words} after "
        f"{seconds / 60:.0f} min.",
        *([f"\n{run.error}"] if run.error else []),
        *([f"\nThe executed notebook is {run.output} in your home."] if run.output else []),
        f"\nAll its runs, and what you get mail about: {link}",
        *([f"\n{schedule.note}"] if schedule.note else []),
    ]
    mail.set_content("\n".join(lines) + "\n")
    return mail


def send(given: Mail, mail: EmailMessage) -> None:
    """Send a mail; SMTPException, OSError or HubError say what is wrong."""
    context = ssl.create_default_context()
    if given.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(given.host, given.port, timeout=SECONDS, context=context)
    else:
        server = smtplib.SMTP(given.host, given.port, timeout=SECONDS)
    with server:
        if given.security == "starttls":
            server.starttls(context=context)
        if given.user and given.password_file:
            server.login(given.user, secret(given.password_file))
        server.send_message(mail)
