"""How long answers took: in words with the row, and as a chart that can be heard as well."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from desktop_app.conversation.entries import Entry, EntryStatus, Role
from desktop_app.conversation.latency import Begun, Latency
from desktop_app.ui.connection_panel import ConnectionPanel
from desktop_app.ui.latency import KEPT, LatencyChart, latency_lines, summary
from desktop_app.ui.main_window import MainWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")
SPOKEN = Latency("item_1", Begun.BY_KEY, 180, 1_000, 45)


@pytest.mark.parametrize(
    ("latency", "words"),
    [
        (
            SPOKEN,
            "First sound 1.2 s after you spoke|0.18 s until it was sent, 1.0 s until it was answered, "
            "0.04 s until it sounded",
        ),
        (
            Latency("i", Begun.IN_WRITING, 0, 300, None),
            "First words 0.30 s after you asked|0.30 s until it was answered",
        ),
        (
            Latency("i", Begun.BY_VOICE, 500, 300, 20, with_tools=True),
            "First sound 0.82 s after you spoke|0.50 s until it was sent, 0.30 s until it was answered, "
            "0.02 s until it sounded, its tools included",
        ),
    ],
)
def test_it_is_told_in_words(latency: Latency, words: str) -> None:
    assert "|".join(latency_lines(latency)) == words


def test_half_of_the_answers_were_faster_than_what_is_told() -> None:
    slow = [Latency(f"i{ms}", Begun.BY_KEY, 0, ms, 0) for ms in (200, 9_000, 700)]
    assert summary(slow) == "Half of the last 3 answers began within 0.70 s."
    assert summary([]) == ""


def test_the_row_of_the_answer_tells_it_beside_what_it_cost(window: MainWindow) -> None:
    window.show_entry(Entry("item_1", Role.ASSISTANT, "Four.", EntryStatus.COMPLETED, spoken=True), None)
    window.show_cost("item_1", "0.1 ct")
    window.show_latency(SPOKEN)
    index = window.transcript.index(0)
    tip = index.data(Qt.ItemDataRole.ToolTipRole)
    assert "0.1 ct" in tip
    assert "1.2 s after you spoke" in tip
    assert "1.2 s after you spoke" in index.data(Qt.ItemDataRole.AccessibleDescriptionRole)


def test_the_panel_shows_the_chart_once_there_is_something_to_show(window: MainWindow) -> None:
    panel, chart = window.findChild(ConnectionPanel), window.findChild(LatencyChart)
    assert isinstance(panel, ConnectionPanel)
    assert isinstance(chart, LatencyChart)
    window._link_button.click()
    assert not chart.isVisible()
    window.show_latency(SPOKEN)
    assert chart.isVisible()
    assert chart.accessibleName() == "The answer began after 1.2 s."
    assert "First sound 1.2 s" in chart.accessibleDescription()
    window.clear_entries()
    assert not chart.isVisible()
    assert not chart.latencies
    panel.hide()


def test_the_columns_are_as_high_as_the_turns_took_long(window: MainWindow) -> None:
    window._link_button.click()
    for ms in (2_000, 500):
        window.show_latency(Latency(f"i{ms}", Begun.IN_WRITING, 0, ms, 0))
    (chart,) = window.findChildren(LatencyChart)
    picture = chart.grab().toImage()
    ground = QColor(window._theme.palette.surface)
    heights = []
    for number in (0, 1):
        x = round((chart._room().left() + (number + 0.5) * chart._step()) * picture.devicePixelRatio())
        rows = [y for y in range(picture.height()) if picture.pixelColor(x, y) == QColor(_pale(window))]
        heights.append(len(rows))
    assert ground != QColor(_pale(window))
    assert heights[0] > 3 * heights[1] > 0


def _pale(window: MainWindow) -> str:
    return window._theme.palette.accent_tint


def test_only_the_latest_turns_have_a_column(window: MainWindow) -> None:
    for number in range(KEPT + 5):
        window.show_latency(Latency(f"i{number}", Begun.BY_KEY, 0, 100, 10))
    (chart,) = window.findChildren(LatencyChart)
    assert next(each.item_id for each in chart.latencies) == "i5"
    assert chart._number_at(0) is None
