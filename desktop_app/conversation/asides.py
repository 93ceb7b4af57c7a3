"""Answers beside the conversation: responses out of band, told apart by their metadata.

`conversation: none` keeps them out of the context, `input` says what they see of it, `tools: []` keeps them from
doing anything (the guide's out-of-band responses). Several may run at once, with each other and with an answer;
every event is routed by response id, which is bound to its job at `response.created`. Most are written; reading
aloud and voice samples are spoken, and an interruption silences those too, but tells the server nothing of it. On a
server that does not echo metadata nothing can be told apart, so nothing is asked beside the conversation.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UNSET

from desktop_app.conversation import limits
from desktop_app.conversation.effects import AsideState, ShowAside, ShowTitle
from desktop_app.conversation.failures import clipped
from desktop_app.conversation.inputs import AsideAsked, AsideKind, Timer
from desktop_app.conversation.outbox import Outbox
from desktop_app.protocol.events import Response, ResponseCancel, ResponseCreate, ResponseParams
from desktop_app.protocol.items import Item
from desktop_app.protocol.session_config import AudioConfig, AudioOutput, voice_of

JOB = "job"
"""The metadata member that names a job."""
HEARD_OF_WITHIN_MS = 60_000
"""A job of which nothing comes for so long is given up."""

SPOKEN = (AsideKind.READ_ALOUD, AsideKind.SAMPLE)
_SHOWN = (AsideKind.SUMMARY, AsideKind.REPLIES, AsideKind.ABOUT)
_TASKS = {
    AsideKind.TITLE: (
        "Give this conversation a title of at most five words and a topic of one word, in its own language. "
        "Answer with one line and nothing else: the title, a vertical bar, the topic."
    ),
    AsideKind.SUMMARY: "Summarise this conversation in at most five short sentences, in its language. Plain text.",
    AsideKind.REPLIES: (
        "Suggest three short things the user could say next, in the language of the conversation. "
        "One a line, without numbers or quotation marks."
    ),
    AsideKind.DIGEST: (
        "Write down what you need to know to go on with this conversation without having it before you: what the "
        "user wants, facts, names and numbers, what was agreed, what is open. At most 200 words, in the "
        "conversation's language. Plain text, no introduction."
    ),
    AsideKind.ABOUT: "Answer the last question from the messages given, and from nothing else. Plain text.",
}


@dataclass(slots=True)
class _Job:
    number: int
    kind: AsideKind
    event_id: str = ""
    response_id: str = ""
    text: str = ""
    cancelled: bool = False
    serial: int = 0
    """Of the timer that ends it."""
    goes_on: bool = False
    """Something came of it since that timer was set."""


class Asides:
    """The jobs under way."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._jobs: dict[str, _Job] = {}
        self._numbers = 0
        self.digest = ""
        """The summary of this session for the next one, once it is there."""

    @property
    def busy(self) -> bool:
        """Whether any job is under way."""
        return bool(self._jobs)

    @property
    def will_sound(self) -> bool:
        """Whether something spoken is on its way."""
        return any(job.kind in SPOKEN and not job.cancelled for job in self._jobs.values())

    def ask(self, aside: AsideAsked, question: Item | None = None, *, possible: bool = True) -> bool:
        """Begin a job; `question` is the item that asks (ABOUT). Return whether it began.

        `possible`: whether the server echoes metadata.
        """
        self._numbers += 1
        name = f"j{self._numbers}"
        job = _Job(self._numbers, aside.kind)
        if not possible or len(self._jobs) >= limits.MAX_ASIDES:
            self._show(job, done=True, failed=True)
            return False
        self._jobs[name] = job
        job.event_id = self._outbox.send(ResponseCreate(response=_params(aside, name, question)))
        job.serial = self._outbox.wake_after(HEARD_OF_WITHIN_MS, Timer.ASIDE)
        self._show(job)
        return True

    def created(self, response: Response) -> bool:
        """Take `response.created`; return whether it is one of these."""
        job = self._jobs.get((response.metadata or {}).get(JOB, ""))
        if job is None or not response.id:
            return False
        job.response_id = response.id
        if job.cancelled:
            self._outbox.send(ResponseCancel(response_id=job.response_id))
        return True

    def owns(self, response_id: str) -> bool:
        """Whether a response belongs to a job."""
        return self._job_of(response_id) is not None

    def sounds(self, response_id: str) -> bool:
        """Take audio of a job; return whether it is to be played."""
        job = self._job_of(response_id)
        if job is None or job.kind not in SPOKEN or job.cancelled:
            return False
        job.goes_on = True
        return True

    def write(self, response_id: str, text: str, *, append: bool) -> None:
        """Take words of a job."""
        job = self._job_of(response_id)
        if job is not None and job.kind not in SPOKEN:
            before = job.text
            job.text = (job.text + text if append else text)[: limits.MAX_ASIDE_CHARS]
            job.goes_on = job.goes_on or job.text != before
            self._show(job)

    def done(self, response: Response) -> bool:
        """Take `response.done`; return whether it ended a job."""
        job = self._job_of(response.id or "")
        if job is None:
            return False
        self._finish(job, failed=response.status in ("failed", "incomplete"))
        return True

    def refused(self, event_id: str) -> AsideKind | None:
        """A request was refused; return what it was for, if it was one of these."""
        job = next((job for job in self._jobs.values() if event_id and job.event_id == event_id), None)
        if job is None:
            return None
        self._finish(job, failed=True)
        return job.kind

    def overdue(self, serial: int) -> str:
        """A job takes too long: nobody waits for it any more. Return its response, whose rest is to be dropped."""
        job = next((job for job in self._jobs.values() if job.serial == serial), None)
        if job is None:
            return ""
        if job.goes_on:
            job.goes_on = False
            job.serial = self._outbox.wake_after(HEARD_OF_WITHIN_MS, Timer.ASIDE)
            return ""
        if job.response_id and not job.cancelled:
            self._outbox.send(ResponseCancel(response_id=job.response_id))
        self._finish(job, failed=True)
        return job.response_id

    def silence(self) -> None:
        """Call off what is spoken; what is written goes on."""
        for job in self._jobs.values():
            if job.kind in SPOKEN and not job.cancelled:
                job.cancelled = True
                if job.response_id:
                    self._outbox.send(ResponseCancel(response_id=job.response_id))

    def waits_for(self, kind: AsideKind) -> bool:
        """Whether a job of this kind is under way."""
        return any(job.kind is kind for job in self._jobs.values())

    def give_up(self, kind: AsideKind) -> list[str]:
        """Nobody waits for jobs of this kind any more. Return their responses, whose rest is to be dropped."""
        jobs = [job for job in self._jobs.values() if job.kind is kind]
        for job in jobs:
            if job.response_id and not job.cancelled:
                self._outbox.send(ResponseCancel(response_id=job.response_id))
            self._finish(job, failed=True)
        return [job.response_id for job in jobs]

    def lose(self) -> None:
        """The connection is gone, and the jobs with it."""
        for job in list(self._jobs.values()):
            self._finish(job, failed=True)

    def _job_of(self, response_id: str) -> _Job | None:
        if not response_id or not self._jobs:
            return None
        return next((job for job in self._jobs.values() if job.response_id == response_id), None)

    def _finish(self, job: _Job, *, failed: bool) -> None:
        del self._jobs[f"j{job.number}"]
        if job.kind is AsideKind.TITLE and not failed:
            title, _, topic = job.text.strip().partition("|")
            if title := clipped(title, 60).strip(" \"'.«»"):
                self._outbox.do(ShowTitle(title, clipped(topic, 24).strip(" .")))
        if job.kind is AsideKind.DIGEST and not failed:
            self.digest = job.text.strip()[: limits.MAX_DIGEST_CHARS]
        self._show(job, done=True, failed=failed)

    def _show(self, job: _Job, *, done: bool = False, failed: bool = False) -> None:
        if job.kind in _SHOWN:
            self._outbox.do(ShowAside(AsideState(job.number, job.kind, job.text, done=done, failed=failed)))


def _params(aside: AsideAsked, name: str, question: Item | None) -> ResponseParams:
    spoken = aside.kind in SPOKEN
    seen = [Item(type="item_reference", id=item_id) for item_id in aside.item_ids]
    if question is not None:
        seen.append(question)
    exact = f"Say exactly the following, nothing more, in the language it is written in: {aside.text}"
    return ResponseParams(
        conversation="none",
        input=seen if seen or spoken else UNSET,  # empty: no context at all; unset: the whole conversation
        instructions=exact if spoken else _TASKS[aside.kind],
        output_modalities=["audio" if spoken else "text"],
        audio=AudioConfig(output=AudioOutput(voice=voice_of(aside.voice))) if aside.voice else UNSET,
        tools=[],
        metadata={JOB: name, "purpose": aside.kind.value},
    )
