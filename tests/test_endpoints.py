"""Which endpoint is chosen, its address and its headers; and that the key is nowhere to be read."""

from __future__ import annotations

import pytest

from desktop_app.endpoints import (
    DEFAULT_MODEL,
    LOCAL_VOICES,
    REMOTE_VOICES,
    Choice,
    Endpoint,
    choose,
    realtime_url,
    safety_identifier,
)
from desktop_app.errors import ParleyError

KEY = "sk-secret"

# --- addresses ----------------------------------------------------------------------------------

ADDRESSES = [
    ("https://api.openai.com/v1", "wss://api.openai.com/v1/realtime?model=m"),
    ("http://host/v1", "ws://host/v1/realtime?model=m"),
    ("wss://host/v1", "wss://host/v1/realtime?model=m"),
    ("ws://host/v1", "ws://host/v1/realtime?model=m"),
    ("HTTPS://Host/v1", "wss://Host/v1/realtime?model=m"),
    ("https://host", "wss://host/realtime?model=m"),
    ("https://host/", "wss://host/realtime?model=m"),
    ("https://host/v1/", "wss://host/v1/realtime?model=m"),
    ("https://host/v1///", "wss://host/v1/realtime?model=m"),
    ("https://host/v1/realtime", "wss://host/v1/realtime?model=m"),
    ("https://host/v1/realtime/", "wss://host/v1/realtime?model=m"),
    ("https://host/openai/v1/realtime?api-version=1", "wss://host/openai/v1/realtime?api-version=1&model=m"),
    ("https://host/v1?model=other&a=1&b=", "wss://host/v1/realtime?a=1&b=&model=m"),
    ("https://host/v1?a=x%26y%20z+w", "wss://host/v1/realtime?a=x%26y%20z%20w&model=m"),
    ("https://host:8443/v1", "wss://host:8443/v1/realtime?model=m"),
    ("http://127.0.0.1:11434/v1", "ws://127.0.0.1:11434/v1/realtime?model=m"),
    ("http://[::1]:8080/v1", "ws://[::1]:8080/v1/realtime?model=m"),
    ("http://user:pass@host/v1", "ws://user:pass@host/v1/realtime?model=m"),
    ("https://bücher.example/v1", "wss://bücher.example/v1/realtime?model=m"),
    ("https://host/a b/%20/ü", "wss://host/a%20b/%20/%C3%BC/realtime?model=m"),
    ("https://host/v1#part", "wss://host/v1/realtime?model=m"),
    ("  https://host/v1\n", "wss://host/v1/realtime?model=m"),
]


@pytest.mark.parametrize(("base", "url"), ADDRESSES)
def test_the_address_under_a_base(base: str, url: str) -> None:
    assert realtime_url(base, "m") == url


@pytest.mark.parametrize(
    ("model", "written"),
    [
        ("gpt-realtime-2.1", "gpt-realtime-2.1"),
        ("a b/c&d=e?f#g", "a%20b%2Fc%26d%3De%3Ff%23g"),
        ("größe", "gr%C3%B6%C3%9Fe"),
    ],
)
def test_the_model_is_encoded(model: str, written: str) -> None:
    assert realtime_url("https://host/v1", model) == f"wss://host/v1/realtime?model={written}"


def test_without_a_model_none_is_named() -> None:
    assert realtime_url("https://host/v1?model=x", "") == "wss://host/v1/realtime"


@pytest.mark.parametrize(
    "base",
    [
        "", "rubbish", "host/v1", "ftp://host/v1", "https://", "https:///v1", "https://:80/", "https://host:0/v1",
        "https://host:99999/v1", "https://host:port/v1", "https://[::1/v1", "https://a..b/", "https://.host/",
        f"https://{'a' * 64}.org/", "https://ho st/v1", "javascript://x", "://", "https://host\x00/",
    ],
)  # fmt: skip
def test_rubbish_is_refused_with_a_sentence(base: str) -> None:
    with pytest.raises(ParleyError) as refused:
        realtime_url(base, "m")

    assert "is not an address" in refused.value.sentence
    assert "https://host/v1" in refused.value.hint


# --- the choice ---------------------------------------------------------------------------------


def chosen(wanted: str = "", model: str = "", install_id: str = "", **environment: str) -> Choice:
    return choose(wanted, model=model, environment=environment, install_id=install_id)


def test_with_nothing_given_the_offline_assistant_answers() -> None:
    choice = chosen()

    assert (choice.local, choice.name, choice.voices) == (True, "Offline assistant", LOCAL_VOICES)
    assert choice.headers == {}


def test_a_key_means_the_vendor() -> None:
    choice = chosen(OPENAI_API_KEY=KEY)

    assert (choice.local, choice.name, choice.model, choice.voices) == (
        False, "api.openai.com", DEFAULT_MODEL, REMOTE_VOICES,
    )  # fmt: skip
    assert choice.endpoint() == Endpoint(
        "api.openai.com",
        f"wss://api.openai.com/v1/realtime?model={DEFAULT_MODEL}",
        {"Authorization": f"Bearer {KEY}"},
    )


def test_a_base_url_without_a_key_means_that_service() -> None:
    choice = chosen(OPENAI_BASE_URL="http://127.0.0.1:8080/v1")

    assert choice.endpoint() == Endpoint("127.0.0.1", f"ws://127.0.0.1:8080/v1/realtime?model={DEFAULT_MODEL}", {})


def test_a_key_and_a_base_url_go_together() -> None:
    endpoint = chosen(OPENAI_API_KEY=KEY, OPENAI_BASE_URL="https://host/v1").endpoint()

    assert endpoint.url.startswith("wss://host/v1/realtime?")
    assert endpoint.headers == {"Authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_blank_means_not_given(blank: str) -> None:
    choice = chosen(blank, blank, OPENAI_API_KEY=blank, OPENAI_BASE_URL=blank, OPENAI_ORG_ID=blank)

    assert choice == chosen()


def test_a_key_with_a_line_end_is_that_key() -> None:
    assert chosen(OPENAI_API_KEY=f"{KEY}\r\n").headers == {"Authorization": f"Bearer {KEY}"}


def test_what_is_asked_for_by_name_counts_more_than_the_environment() -> None:
    environment = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "https://host/v1"}

    assert chosen("local", **environment).local
    assert chosen("local", **environment).headers == {}
    assert chosen("openai").name == "api.openai.com"
    assert chosen("openai", **environment).name == "host"
    assert chosen("wss://other:1/v1", "m", **environment).endpoint() == Endpoint(
        "other", "wss://other:1/v1/realtime?model=m", {"Authorization": f"Bearer {KEY}"}
    )


@pytest.mark.parametrize("wanted", ["rubbish", "OPEN AI", "host/v1", "ftp://host", "https://"])
def test_an_endpoint_nobody_knows_is_refused_with_a_sentence(wanted: str) -> None:
    with pytest.raises(ParleyError) as refused:
        chosen(wanted)

    assert wanted in refused.value.sentence
    assert refused.value.hint


def test_organisation_and_project_are_sent_along() -> None:
    headers = chosen(OPENAI_API_KEY=KEY, OPENAI_ORG_ID="org_1", OPENAI_PROJECT_ID=" proj_1 ").headers

    assert headers == {
        "Authorization": f"Bearer {KEY}", "OpenAI-Organization": "org_1", "OpenAI-Project": "proj_1",
    }  # fmt: skip


@pytest.mark.parametrize("bad", [f"{KEY}\nX-Evil: 1", f"{KEY}\x7f", f"«{KEY}»", f"{KEY}\u200b"])
@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"])
def test_a_value_no_header_can_hold_is_refused_and_not_read_out(variable: str, bad: str) -> None:
    with pytest.raises(ParleyError) as refused:
        chosen("openai", **{variable: bad})

    assert variable in refused.value.sentence
    assert KEY not in str(refused.value)


def test_no_repr_shows_the_key() -> None:
    choice = chosen(OPENAI_API_KEY=KEY, OPENAI_BASE_URL=f"https://user:{KEY}@host/v1?key={KEY}")

    assert KEY in choice.endpoint().url
    assert KEY not in repr(choice) + str(choice) + repr(choice.endpoint()) + str(choice.endpoint())


# --- the installation ---------------------------------------------------------------------------


def test_the_safety_identifier_is_stable_and_means_nothing_elsewhere() -> None:
    at_openai = safety_identifier("id", "api.openai.com")

    assert at_openai == safety_identifier("id", "api.openai.com")
    assert len({at_openai, safety_identifier("id", "host"), safety_identifier("other", "api.openai.com")}) == 3
    assert "id" not in at_openai
    assert chosen(OPENAI_API_KEY=KEY, install_id="id").headers["OpenAI-Safety-Identifier"] == at_openai


def test_without_an_installation_and_offline_no_identifier_is_sent() -> None:
    assert "OpenAI-Safety-Identifier" not in chosen(OPENAI_API_KEY=KEY).headers
    assert chosen("local", install_id="id").headers == {}
