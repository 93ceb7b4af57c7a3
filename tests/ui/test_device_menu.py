from __future__ import annotations

from PySide6.QtWidgets import QApplication, QComboBox, QWidget
from pytestqt.qtbot import QtBot

from desktop_app.settings import SOUND
from desktop_app.ui.device_menu import ChoiceMenu
from desktop_app.ui.settings_desk import SettingsDesk
from desktop_app.ui.settings_dialog import SettingsDialog
from desktop_app.ui.theme import Appearance, Theme

NAME = "audio.output_device"
DEFAULT = ("", "The system's default (Speakers)")
SPEAKERS, HEADSET = ("Speakers", "Speakers"), ("R&D headset", "R&D headset")


def desk_with(qtbot: QtBot, qapp: QApplication) -> SettingsDesk:
    window = QWidget()
    qtbot.addWidget(window)
    desk = SettingsDesk(window, Theme(qapp, Appearance.LIGHT))
    desk.show_values({NAME: ""})
    desk.show_choices(NAME, [DEFAULT, SPEAKERS])
    return desk


def shown(menu: ChoiceMenu) -> list[tuple[str, bool]]:
    menu.aboutToShow.emit()
    return [(action.text(), action.isChecked()) for action in menu.actions()]


def test_the_menu_offers_what_there_is_now_and_marks_what_is_in_force(qtbot: QtBot, qapp: QApplication) -> None:
    desk = desk_with(qtbot, qapp)
    menu = ChoiceMenu("Speaker", NAME, desk, desk.parent())  # type: ignore[arg-type]
    assert shown(menu) == [("The system's default (Speakers)", True), ("Speakers", False)]
    desk.show_choices(NAME, [DEFAULT, SPEAKERS, HEADSET])
    desk.show_values({NAME: "R&D headset"})
    assert shown(menu)[-1] == ("R&&D headset", True), "an ampersand is no shortcut"


def test_what_is_chosen_is_told_once(qtbot: QtBot, qapp: QApplication) -> None:
    desk = desk_with(qtbot, qapp)
    told: list[tuple[str, object]] = []
    desk.setting_changed.connect(lambda name, value: told.append((name, value)))
    menu = ChoiceMenu("Speaker", NAME, desk, desk.parent())  # type: ignore[arg-type]
    shown(menu)
    menu.actions()[1].trigger()
    menu.actions()[0].trigger()  # in force already
    assert told == [(NAME, "Speakers")]


def test_the_open_dialog_follows_the_devices_and_keeps_what_is_typed(qtbot: QtBot, qapp: QApplication) -> None:
    dialog = SettingsDialog(Theme(qapp, Appearance.LIGHT))
    qtbot.addWidget(dialog)
    dialog.show_values({NAME: ""})
    dialog.show_choices(NAME, [DEFAULT, SPEAKERS])
    dialog.show()
    dialog.go_to(SOUND)
    box = dialog._rows[NAME].control.findChild(QComboBox)
    assert isinstance(box, QComboBox)
    dialog.show_choices(NAME, [DEFAULT, SPEAKERS, HEADSET])
    offered = [box.itemText(number) for number in range(box.count())]
    assert offered == ["The system's default (Speakers)", "Speakers", "R&D headset"]
    assert box.currentText() == "The system's default (Speakers)"
    dialog.show_values({NAME: "R&D headset"})
    dialog.show_choices(NAME, [DEFAULT, SPEAKERS, ("R&D headset", "R&D headset (not connected)")])
    assert box.currentText() == "R&D headset (not connected)"
    assert "R&amp;D headset (not connected)" in box.toolTip(), "a tip would take a name for markup"
    line = box.lineEdit()
    assert line is not None
    dialog.activateWindow()
    line.setFocus()
    qtbot.waitUntil(line.hasFocus)
    line.setText("Ear")
    line.setModified(True)
    dialog.show_choices(NAME, [DEFAULT, SPEAKERS])
    assert line.text() == "Ear"
