"""Keys: taken out of every text, in every form, and out of what the program starts."""

from __future__ import annotations

import base64
import json
import logging
from urllib.parse import quote

import pytest

from desktop_app.secrecy import MARK, Environment, RedactingFormatter, Redaction, inherited, sounds_secret

KEY = "sk-canary/4711+abcdefghijkl=="


def redaction() -> Redaction:
    made = Redaction()
    made.add(f"Bearer {KEY}")
    return made


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        f"Bearer {KEY}",
        quote(KEY, safe=""),
        json.dumps({"key": KEY}),
        json.dumps(KEY).replace("/", "\\/"),
        base64.b64encode(KEY.encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
        *(
            base64.b64encode(f"{before}{KEY}{after}".encode()).decode()
            for before in ("", "a", "ab")
            for after in "xy"
        ),
    ],
)
def test_a_key_is_taken_out_in_every_form(form: str) -> None:
    clean = redaction()

    text = clean.text(f"before {form} after")

    assert text.startswith("before ")
    assert text.endswith(" after")
    assert MARK in text
    assert form not in text
    assert "canary" not in text
    assert clean.frame(f"before {form} after".encode()).decode() == text


def test_what_is_no_key_stays() -> None:
    clean = redaction()
    clean.add("ollama", "", "Bearer x")

    for text in ("the ollama of Bearer x, sk-canary", "", KEY[:-4]):
        assert clean.text(text) == text
    frame = b"\xff" * 6000
    assert clean.frame(frame) is frame


def test_of_two_keys_the_one_that_holds_the_other_goes_as_a_whole() -> None:
    clean = redaction()
    clean.add(KEY + "-and-more")

    assert clean.text(f"<{KEY}-and-more>") == f"<{MARK}>"


def test_headers_are_keys_but_for_the_harmless_ones() -> None:
    clean = Redaction()
    clean.add_headers(
        {"api-key": "0123456789abcdef", "OpenAI-Organization": "org-0123456789", "User-Agent": "Parley/1"}
    )

    assert clean.text("0123456789abcdef org-0123456789 Parley/1") == f"{MARK} {MARK} Parley/1"


def test_the_log_holds_no_key_and_neither_do_its_tracebacks() -> None:
    formatter = RedactingFormatter("%(message)s", redaction())
    try:
        raise ValueError(f"a header of {KEY}")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "sent %s", (KEY,), (ValueError, error, None))

    text = formatter.format(record)

    assert text.count(MARK) == 2
    assert KEY not in text


def test_keys_can_be_read_here_and_are_inherited_by_nobody() -> None:
    live = {
        "PATH": "/bin",
        "OPENAI_API_KEY": KEY,
        "OPENAI_ORG_ID": "org-0123456789",
        "OPENAI_BASE_URL": "https://host/v1",
        "AZURE_OPENAI_API_KEY": "azure-0123456789",
        "XAI_API_KEY": "xai-0123456789",
        "PARLEY_CHAT_KEY": "chat-0123456789",
        "PARLEY_CHAT_URL": "http://127.0.0.1:1/v1",
        "WORK": "work-0123456789",
        "WEATHER_API_KEY": "of the user's own tool",
    }
    started_with = dict(live)

    environment = Environment(live, Redaction())
    environment.hide(["WORK", "NOT_SET"])

    assert dict(environment) == started_with
    assert set(live) == {"PATH", "PARLEY_CHAT_URL", "WEATHER_API_KEY"}
    assert environment.redaction.text("chat-0123456789 work-0123456789") == f"{MARK} {MARK}"
    assert set(inherited(started_with)) == set(live) | {"WORK"}


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("WIKI_TOKEN", True),
        ("X-Api-Key", True),
        ("apikey", True),
        ("Authorization", True),
        ("GITHUB_PAT", True),
        ("SSH_AUTH_SOCK", True),
        ("PATH", False),
        ("XAUTHORITY", False),
        ("KEYBOARD", False),
        ("MONKEY", False),
        ("LANG", False),
    ],
)
def test_names_that_sound_like_secrets(name: str, secret: bool) -> None:
    assert sounds_secret(name) is secret
