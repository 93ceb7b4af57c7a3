"""What a refusal or a broken connection means: whether to try again, and the sentence for the user.

From the guide's error handling and the close codes seen in the field: the server usually accepts the socket and
reports the problem inside it, then closes; compatible servers refuse the handshake with an HTTP status instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from desktop_app.conversation.inputs import Disconnected
from desktop_app.errors import Notice, NoticeAction, Severity
from desktop_app.protocol.events import (
    ClientEvent,
    ConversationItemCreate,
    ConversationItemRetrieve,
    ErrorBody,
    InputAudioBufferCommit,
    ResponseCreate,
)

ACTIVE_RESPONSE = "conversation_already_has_active_response"
VOICE_LOCKED = "cannot_update_voice"
COMMIT_EMPTY = "input_audio_buffer_commit_empty"
NOT_RETRIEVED = "item_retrieve_invalid_item_id"
LINK_KEY = "link"
"""The key of every notice about the connection: the newest one replaces the others."""

_BENIGN_CODES = frozenset(
    {
        "response_cancel_not_active",
        COMMIT_EMPTY,
        "item_truncate_invalid_item_id",
        "item_delete_invalid_item_id",
        NOT_RETRIEVED,
    }
)
_BENIGN_TEXTS = ("already shorter than", "only model output audio", "no active response")

_KEY_CODES = frozenset({"invalid_api_key", "account_deactivated"})
_MODEL_CODES = frozenset({"invalid_model", "model_not_found", "missing_model"})
_MONEY_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_CLOSED_FOR_GOOD = frozenset({3000, 4000, 4001, 4003, 4004})
_LATER = frozenset({408, 425, 429})
"""Of the statuses that blame the client those that only mean: later."""
_FIRST_SERVER_ERROR = 500

_KEY_HINT = (
    "Enter another key in the settings, under Endpoints; or set OPENAI_API_KEY, or the variable its profile names, "
    "and start Parley again."
)
_MODEL_HINT = "Choose another model with --model, then start again."


@dataclass(frozen=True, slots=True)
class Ending:
    """The judgement on a lost or failed connection."""

    notice: Notice
    retry: bool


def is_benign(error: ErrorBody) -> bool:
    """Whether an `error` event is only a crossing on the wire that nobody needs to hear of."""
    text = error.message_text.lower()
    return error.code_text in _BENIGN_CODES or any(part in text for part in _BENIGN_TEXTS)


def is_active_response(error: ErrorBody) -> bool:
    """Whether a `response.create` came too early; some servers only say so in words."""
    return error.code_text == ACTIVE_RESPONSE or "already has an active response" in error.message_text.lower()


def blamed(error: ErrorBody) -> type[ClientEvent] | None:
    """Return what kind of event an error must be about that names none: often only the code tells."""
    if error.code_text == ACTIVE_RESPONSE:
        return ResponseCreate
    if error.code_text == COMMIT_EMPTY:
        return InputAudioBufferCommit
    if error.code_text == NOT_RETRIEVED:
        return ConversationItemRetrieve
    kinds: dict[str, type[ClientEvent]] = {"response": ResponseCreate, "item": ConversationItemCreate}
    return kinds.get((error.param or "").partition(".")[0])


def is_fatal(error: ErrorBody) -> bool:
    """Whether the session will not go on after this error, and a new one would fail alike."""
    return error.code_text in _KEY_CODES | _MODEL_CODES | _MONEY_CODES | {"beta_api_shape_disabled"}


def notice_of(error: ErrorBody, what: str = "") -> Notice:
    """Return the sentence for an `error` event; `what` names the refused request, if it is known."""
    code = error.code_text
    if code in _KEY_CODES:
        return _link_notice("The server did not accept the API key.", _KEY_HINT)
    if code in _MODEL_CODES:
        return _link_notice("The server does not offer this model to you.", _MODEL_HINT)
    if code in _MONEY_CODES:
        return _link_notice(
            "The account has no credit left.",
            "Add credit or raise the limit at the provider, then reconnect.",
        )
    said = clipped(error.message_text) or clipped(code) or "no reason given"
    subject = f"The server refused {what}" if what else "The server reported a problem"
    field = f" (field {clipped(error.param, 80)})" if error.param else ""
    hint = "The conversation goes on; try again, or start a new one if it keeps happening."
    return Notice(f"{subject}{field}: {said}", hint, Severity.WARNING, key=f"error:{(code or said)[:40]}")


def judge(facts: Disconnected, last_error: ErrorBody | None) -> Ending:
    """Return what a lost or failed connection means.

    `last_error` is the last `error` event of this connection: the close reason alone is only `type.code`.
    """
    if facts.hopeless is not None:
        return Ending(Notice.of(facts.hopeless, LINK_KEY, NoticeAction.RECONNECT), retry=False)
    if facts.certificate_failed:
        text = "The server could not prove who it is: its certificate is not valid."
        return Ending(_link_notice(text, "Check the address and this computer's clock, then reconnect."), False)
    if facts.http_status is not None:
        return _judge_status(facts.http_status)
    told = last_error or _error_in(facts.reason)
    if is_fatal(told):
        return Ending(notice_of(told), retry=False)
    if facts.close_code in _CLOSED_FOR_GOOD:
        text = f"The server closed the connection: {clipped(told.message_text) or facts.close_code}"
        return Ending(_link_notice(text, "Check the endpoint's settings, then reconnect."), retry=False)
    if told.code_text == "session_expired" or "maximum duration" in facts.reason:
        return Ending(
            _link_notice("The session reached its time limit.", "A new one is opened.", Severity.INFO), True
        )
    if facts.close_code is None:
        text = f"The server cannot be reached{': ' + clipped(facts.reason) if facts.reason else '.'}"
        return Ending(_link_notice(text, "Check the address and the network."), retry=True)
    return Ending(
        _link_notice("The connection was lost.", "It is being opened again.", Severity.WARNING), retry=True
    )


def clipped(text: str, length: int = 200) -> str:
    """Return a server's words as one line of bounded length, without control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * length]).split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _judge_status(status: int) -> Ending:
    if status == 401:
        return Ending(_link_notice("The server did not accept the API key.", _KEY_HINT), retry=False)
    if status == 403:
        text = "The server does not allow this key to talk here."
        return Ending(_link_notice(text, "Check the key's rights and the project."), retry=False)
    if status == 404:
        text = "There is no Realtime service at this address."
        hint = "Check the endpoint's address: --endpoint, OPENAI_BASE_URL or its profile."
        return Ending(_link_notice(text, hint), retry=False)
    retry = status in _LATER or status >= _FIRST_SERVER_ERROR
    text = "The server is busy." if retry else f"The server refused the connection (HTTP {status})."
    hint = "Another attempt follows." if retry else "Check the endpoint's settings, then reconnect."
    return Ending(_link_notice(text, hint), retry)


def _error_in(reason: str) -> ErrorBody:
    """Return what a close reason such as `invalid_request_error.invalid_api_key` tells."""
    return ErrorBody(code=reason.rpartition(".")[2].strip(), message=reason)


def _link_notice(text: str, hint: str, severity: Severity = Severity.ERROR) -> Notice:
    return Notice(text, hint, severity, LINK_KEY, NoticeAction.RECONNECT)
