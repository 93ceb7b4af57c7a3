"""What the window was told last of each thing that is derived: it hears of changes only."""

from __future__ import annotations

from desktop_app.conversation.effects import (
    ConnectionInfo,
    Link,
    ShowConnection,
    ShowLink,
    ShowSession,
    ShowTurn,
    ShowVoice,
    Turn,
    VoiceState,
)
from desktop_app.conversation.outbox import Outbox
from desktop_app.protocol.session_config import SessionConfig


class Shown:
    """Tells the window what has changed."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._link: Link | None = None
        self._turn: Turn | None = None
        self._voice: VoiceState | None = None
        self._session: tuple[SessionConfig, bool] | None = None
        self._info = ConnectionInfo()

    def tell(
        self,
        *,
        link: Link,
        turn: Turn,
        voice: VoiceState,
        config: SessionConfig,
        muted: bool,
        info: ConnectionInfo,
    ) -> None:
        """Show what is not as it was."""
        if link is not self._link:
            self._link = link
            self._outbox.do(ShowLink(link))
        if turn is not self._turn:
            self._turn = turn
            self._outbox.do(ShowTurn(turn))
        if voice != self._voice:
            self._voice = voice
            self._outbox.do(ShowVoice(voice))
        if (config, muted) != self._session:
            self._session = (config, muted)
            self._outbox.do(ShowSession(config, muted))
        if info != self._info:
            self._info = info
            self._outbox.do(ShowConnection(info))
