"""Which endpoint is chosen, its address and its headers; and that the key is nowhere to be read."""

from __future__ import annotations

from typing import Any

import pytest

from desktop_app.endpoints import (
    DEFAULT_MODEL,
    LOCAL_VOICES,
    REMOTE_VOICES,
    Choice,
    Endpoint,
    Kind,
    Profile,
    Secrets,
    azure_url,
    choose,
    is_reasoning_model,
    offer_of,
    read_profile,
    read_profiles,
    realtime_url,
    safety_identifier,
)
from desktop_app.errors import ParleyError
from desktop_app.protocol.dialects import Dialect

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


# --- profiles -----------------------------------------------------------------------------------

AZURE = "https://work.openai.azure.com"
AZURE_URL = "wss://work.openai.azure.com/openai/v1/realtime?model=voice"
SECRET = "sk-0123456789abcdef0123456789"


def profile(**members: Any) -> Profile:
    """Return the profile that stands so in the settings."""
    return read_profile({"name": "work", "base_url": "https://host/v1", **members})


def of_profile(
    members: dict[str, Any], *, model: str = "", secrets: Secrets = lambda _: "", **environment: str
) -> Choice:
    """Return what is chosen by the name of a profile."""
    return choose("work", model=model, environment=environment, profiles=[profile(**members)], secrets=secrets)


def test_a_profile_is_found_by_its_name() -> None:
    profiles, notices = read_profiles([{"name": "Home", "base_url": "http://127.0.0.1:8080/v1"}])
    assert not notices
    choice = choose("home", model="", environment={"OPENAI_API_KEY": KEY}, profiles=profiles)
    assert (choice.name, choice.local, choice.kind, choice.dialect) == ("Home", False, Kind.COMPATIBLE, Dialect.GA)
    assert choice.endpoint() == Endpoint("Home", f"ws://127.0.0.1:8080/v1/realtime?model={DEFAULT_MODEL}", {})


def test_a_whole_profile_is_what_is_chosen() -> None:
    choice = of_profile(
        {
            "model": "m1",
            "models": ["m2", "m1", "m3"],
            "dialect": "beta",
            "voices": ["af_heart"],
            "transcription_model": "whisper-large",
            "key_variable": "HOME_KEY",
            "organization": "org_1",
            "project": "proj_1",
            "reasoning": True,
            "of next year": 1,
        },
        HOME_KEY=KEY,
    )
    assert (choice.model, choice.models, choice.voices) == ("m1", ("m1", "m2", "m3"), ("af_heart",))
    assert (choice.transcription_model, choice.reasons) == ("whisper-large", True)
    assert choice.endpoint() == Endpoint(
        "work",
        "wss://host/v1/realtime?model=m1",
        {"Authorization": f"Bearer {KEY}", "OpenAI-Organization": "org_1", "OpenAI-Project": "proj_1"},
        Dialect.BETA,
    )
    assert of_profile({"model": "m1"}, model="typed").model == "typed"


def test_the_vendor_with_another_account_is_a_profile() -> None:
    members = {"kind": "openai", "base_url": "", "project": "proj_2", "key_variable": "KEY_2"}
    choice = of_profile(members, KEY_2=KEY, OPENAI_API_KEY="sk-other", OPENAI_ORG_ID="org_1")
    assert choice.endpoint() == Endpoint(
        "work",
        f"wss://api.openai.com/v1/realtime?model={DEFAULT_MODEL}",
        {"Authorization": f"Bearer {KEY}", "OpenAI-Organization": "org_1", "OpenAI-Project": "proj_2"},
    )


def test_the_vendors_account_is_nobody_elses_business() -> None:
    environment = {"OPENAI_API_KEY": KEY, "OPENAI_ORG_ID": "org_1", "OPENAI_PROJECT_ID": "proj_1"}
    for members in ({}, {"kind": "azure", "model": "voice"}, {"dialect": "xai"}):
        assert choose("work", model="", environment=environment, profiles=[profile(**members)]).headers == {}
    for address in (AZURE + "?deployment=voice", "wss://api.x.ai/v1"):
        assert chosen(address, **environment).headers == {}


# --- keys of profiles ---------------------------------------------------------------------------


def test_the_environment_wins_over_what_is_kept() -> None:
    asked: list[str] = []

    def kept(name: str) -> str:
        asked.append(name)
        return "sk-kept"

    members = {"key_variable": "WORK_KEY"}
    assert of_profile(members, secrets=kept, WORK_KEY=KEY).headers == {"Authorization": f"Bearer {KEY}"}
    assert asked == []
    assert of_profile(members, secrets=kept, WORK_KEY=" ").headers == {"Authorization": "Bearer sk-kept"}
    assert of_profile({}, secrets=kept).headers == {"Authorization": "Bearer sk-kept"}
    assert asked == ["work", "work"]


def test_what_is_kept_for_the_vendor_goes_to_the_vendor_only() -> None:
    def with_kept(wanted: str, **environment: str) -> Choice:
        return choose(wanted, model="", environment=environment, secrets=lambda name: f"sk-of-{name}")

    assert with_kept("openai").headers == {"Authorization": "Bearer sk-of-openai"}
    assert with_kept("openai", OPENAI_BASE_URL="http://127.0.0.1:1/v1").headers == {}
    assert with_kept("https://host/v1").headers == {"Authorization": "Bearer sk-of-host"}


def test_a_key_that_is_named_and_missing_is_a_sentence() -> None:
    with pytest.raises(ParleyError) as refused:
        of_profile({"key_variable": "WORK_KEY"})
    assert "work" in refused.value.sentence
    assert "WORK_KEY" in refused.value.hint


@pytest.mark.parametrize("secret", ["ek_68af0123456789", "sk-1", "a key without a form"])
def test_an_ephemeral_secret_serves_as_a_key(secret: str) -> None:
    assert chosen(OPENAI_API_KEY=secret).headers == {"Authorization": f"Bearer {secret}"}
    assert chosen(OPENAI_API_KEY=f"Bearer {secret}").headers == {"Authorization": f"Bearer {secret}"}


def test_a_kept_key_no_header_can_hold_is_refused_and_not_read_out() -> None:
    with pytest.raises(ParleyError) as refused:
        of_profile({}, secrets=lambda _: f"{KEY}\n{KEY}")
    assert KEY not in str(refused.value)


# --- Azure and xAI ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "url"),
    [
        (AZURE, AZURE_URL),
        (AZURE + "/", AZURE_URL),
        (AZURE + "/openai", AZURE_URL),
        (AZURE + "/openai/v1/", AZURE_URL),
        (AZURE + "/openai/v1/realtime", AZURE_URL),
        (AZURE + "/openai/v1/realtime?model=other", AZURE_URL),
        (AZURE + "/openai/realtime?api-version=2024-10-01-preview&deployment=old", AZURE_URL),
        (AZURE + "?a=1", "wss://work.openai.azure.com/openai/v1/realtime?a=1&model=voice"),
        ("https://gate.example/ai/v1?api-version=1", "wss://gate.example/ai/v1/realtime?api-version=1&model=voice"),
    ],
)
def test_the_address_of_a_deployment(base: str, url: str) -> None:
    assert azure_url(base, "voice") == url
    choice = of_profile({"kind": "azure", "base_url": base, "model": "voice"})
    assert choice.endpoint().url == url


def test_an_address_may_name_its_deployment() -> None:
    assert azure_url(AZURE + "/openai/realtime?api-version=1&deployment=voice", "") == AZURE_URL
    assert azure_url(AZURE_URL.replace("wss", "https"), "") == AZURE_URL


@pytest.mark.parametrize(
    ("key", "header"),
    [
        ("0123456789abcdef", {"api-key": "0123456789abcdef"}),
        ("eyJ0eXAi.e30.x", {"Authorization": "Bearer eyJ0eXAi.e30.x"}),
        ("ek_123", {"Authorization": "Bearer ek_123"}),
    ],
)
def test_azure_takes_keys_in_a_header_of_its_own_and_tokens_as_bearer(key: str, header: dict[str, str]) -> None:
    members = {"kind": "azure", "base_url": AZURE, "model": "voice"}
    assert of_profile(members, AZURE_OPENAI_API_KEY=key).headers == header
    assert chosen(AZURE, "voice", AZURE_OPENAI_API_KEY=key, OPENAI_API_KEY=KEY).headers == header


def test_a_deployment_without_a_name_is_a_sentence() -> None:
    nameless = profile(kind="azure", base_url=AZURE)
    for wanted in (AZURE, "work"):
        with pytest.raises(ParleyError) as refused:
            choose(wanted, model="", environment={}, profiles=[nameless])
        assert refused.value.sentence == "Nothing names the deployment at work.openai.azure.com."
        assert "--model" in refused.value.hint


def test_at_azure_nothing_is_written_down_by_a_model_nobody_deployed() -> None:
    members = {"kind": "azure", "base_url": AZURE, "model": "gpt-realtime-2.1"}
    assert of_profile(members).transcription_model == ""
    assert of_profile({**members, "transcription_model": "ears"}).transcription_model == "ears"
    assert of_profile(members).reasons
    assert not of_profile({**members, "model": "voice"}).reasons
    assert of_profile({**members, "model": "voice", "reasoning": True}).reasons


def test_xai_is_known_by_its_host() -> None:
    choice = chosen("wss://api.x.ai/v1", XAI_API_KEY="xai-1", OPENAI_API_KEY=KEY)
    assert choice.endpoint() == Endpoint(
        "api.x.ai",
        "wss://api.x.ai/v1/realtime?model=grok-voice-latest",
        {"Authorization": "Bearer xai-1"},
        Dialect.XAI,
    )
    assert choice.voices[:2] == ("eve", "ara")
    assert choice.offer.speeds == (0.7, 1.5)
    assert choice.offer.efforts == ("none", "high")


# --- what is offered ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("dialect", Dialect)
def test_every_kind_offers_voices(kind: Kind, dialect: Dialect) -> None:
    assert offer_of(kind, dialect).voices


def test_models_are_offered_and_the_first_is_the_usual_one() -> None:
    assert offer_of(Kind.OPENAI).models[0] == DEFAULT_MODEL
    assert len(offer_of(Kind.OPENAI).models) >= 5
    assert offer_of(Kind.AZURE).models == ()
    assert chosen().offer.models == ("parley-offline",)


@pytest.mark.parametrize(
    ("model", "reasons"),
    [
        ("gpt-realtime-2", True),
        ("gpt-realtime-2.1", True),
        ("gpt-realtime-2.1-mini", True),
        ("gpt-realtime-2-2026-05-07", True),
        ("gpt-realtime", False),
        ("gpt-realtime-1.5", False),
        ("gpt-realtime-2025-08-28", False),
        ("gpt-realtime-mini", False),
        ("grok-voice-latest", False),
        ("my-gpt-realtime-2", False),
        ("", False),
    ],
)
def test_which_models_reason(model: str, reasons: bool) -> None:
    assert is_reasoning_model(model) is reasons


# --- profiles that cannot be used ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("work", "not an object"),
        (None, "not an object"),
        ({}, "«name»"),
        ({"name": 5}, "«name»"),
        ({"name": ""}, "name"),
        ({"name": " work"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"name": "wss://host"}, "name"),
        ({"name": "Local", "base_url": "https://host/v1"}, "taken"),
        ({"name": "openai"}, "taken"),
        ({"name": "work"}, "no «base_url»"),
        ({"name": "work", "kind": "azure"}, "no «base_url»"),
        ({"name": "work", "base_url": "rubbish"}, "not an address"),
        ({"name": "work", "base_url": "https://host/v1", "kind": "grok"}, "«kind»"),
        ({"name": "work", "base_url": "https://host/v1", "kind": "local"}, "of no kind"),
        ({"name": "work", "base_url": "https://host/v1", "dialect": "gamma"}, "«dialect»"),
        ({"name": "work", "base_url": "https://host/v1", "models": "m"}, "«models»"),
        ({"name": "work", "base_url": "https://host/v1", "models": [1]}, "«models»"),
        ({"name": "work", "base_url": "https://host/v1", "project": "a\nb"}, "project"),
        ({"name": "work", "base_url": "https://host/v1", "key_variable": "a variable"}, "«key_variable»"),
    ],
)
def test_a_profile_that_cannot_be_used_is_a_sentence(entry: object, said: str) -> None:
    profiles, (notice,) = read_profiles([{"name": "good", "base_url": "https://host"}, entry])
    assert [profile.name for profile in profiles] == ["good"]
    assert said in notice.text
    assert notice.hint
    assert notice.text.endswith(".")


@pytest.mark.parametrize(
    "members",
    [
        {"key": SECRET},
        {"api_key": SECRET},
        {"apiKey": SECRET},
        {"api-key": "0123456789"},
        {"token": "0123456789"},
        {"Authorization": "0123456789"},
        {"secret": "0123456789"},
        {"password": "0123456789"},
        {"key_variable": SECRET},
        {"key_variable": "ek_0123456789abcdef0123"},
        {"model": SECRET},
        {"note": f"Bearer {SECRET}"},
        {"name": SECRET},
        {"base_url": f"https://user:{SECRET}@host/v1"},
        {"base_url": f"https://host/v1?key={SECRET}"},
        {"base_url": "https://host/v1?api-key=0123456789"},
        {"base_url": f"https://host/v1?x={SECRET}"},
        {"base_url": f"https://user:{SECRET}@ho st/v1"},
        {"kind": SECRET},
        {"models": SECRET},
    ],
)
def test_a_key_in_the_settings_is_refused_and_not_read_out(members: dict[str, Any]) -> None:
    profiles, (notice,) = read_profiles([{"name": "work", "base_url": "https://host/v1", **members}])
    assert not profiles
    assert "sk-" not in str(notice)
    assert "0123456789" not in str(notice)


def test_two_of_one_name_are_one() -> None:
    entries = [{"name": "Work", "base_url": "https://a/v1"}, {"name": "work", "base_url": "https://b/v1"}]
    (only,), (notice,) = read_profiles(entries)
    assert only.base_url == "https://a/v1"
    assert "two" in notice.text


def test_an_unknown_name_tells_those_that_are_known() -> None:
    with pytest.raises(ParleyError) as refused:
        choose("wrok", model="", environment={}, profiles=[profile()])
    assert "wrok" in refused.value.sentence
    assert "«work»" in refused.value.hint


def test_no_repr_of_a_profile_shows_its_address() -> None:
    assert "host" not in repr(profile())
    choice = of_profile({}, secrets=lambda _: KEY)
    assert KEY not in repr(choice) + repr(choice.endpoint())
