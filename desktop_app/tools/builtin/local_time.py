"""What time it is, here or in another time zone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from desktop_app.errors import ToolError
from desktop_app.tools.tool import Arguments, Consent, FunctionTool, Tool, ToolSpec, parameters

SPEC = ToolSpec(
    "get_local_time",
    "Current date and time of the user's computer, or of another time zone.",
    parameters(
        zone={
            "type": "string",
            "description": "IANA time zone such as Asia/Tokyo, or its city; leave it out for the user's own.",
        }
    ),
    Consent.NEVER,
    title="Time and date",
)


def utc_now() -> dt.datetime:
    """Return the time, with its zone."""
    return dt.datetime.now(dt.UTC)


def local_time_tool(now: Callable[[], dt.datetime] = utc_now) -> Tool:
    """Return the tool."""

    def tell(arguments: Arguments) -> object:
        wanted = str(arguments.get("zone", "")).strip()
        zone = find_zone(wanted) if wanted else None
        moment = now().astimezone(zone)
        return {
            "date": moment.date().isoformat(),
            "weekday": f"{moment:%A}",
            "time": f"{moment:%H:%M:%S}",
            "zone": zone.key if zone else moment.tzname() or "local",
            "utc_offset": moment.isoformat()[-6:],
        }

    return FunctionTool(SPEC, tell)


def find_zone(wanted: str) -> ZoneInfo:
    """Return the zone of that IANA name or city; raises `ToolError` if there is none or it is not the only one."""
    plain = wanted.replace(" ", "_").lower()
    found = _zones().get(plain, ())
    if len(found) == 1:
        return ZoneInfo(found[0])
    if found:
        raise ToolError(f"{wanted!r} may be one of several time zones: {', '.join(found)}.", "Name one of them.")
    raise ToolError(f"There is no time zone {wanted!r}.", "Give its IANA name, such as Europe/Oslo.")


@cache
def _zones() -> dict[str, tuple[str, ...]]:
    """The zones by their full names and by their cities, in lower case."""
    zones = available_timezones()
    if not zones:
        raise ToolError("This computer has no time zones besides its own.", "Install the package tzdata.")
    by_name: dict[str, tuple[str, ...]] = {}
    for key in sorted(zones):
        city = key.rpartition("/")[2].lower()
        if "/" in key:
            by_name[city] = (*by_name.get(city, ()), key)
    # A full name means itself alone, also where it is a city as well (Singapore, GMT).
    return by_name | {key.lower(): (key,) for key in zones}
