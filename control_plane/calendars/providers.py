"""From a calendar's row, or what a request brings, to the provider that it is read from."""

import json
from dataclasses import dataclass
from uuid import UUID

from control_plane.calendars.caldav import CalDav
from control_plane.calendars.calling import Access, Keep, OAuthCaller, OAuthClient
from control_plane.calendars.google import Google
from control_plane.calendars.ics import Feed
from control_plane.calendars.microsoft import Microsoft
from control_plane.calendars.models import Calendar, Platform
from control_plane.calendars.remote import Provider
from control_plane.clock import Clock
from control_plane.secrets.box import SecretBox
from control_plane.settings import Settings
from guard.outbound import Outbound

Credentials = dict[str, str]
"""By platform: client_id, client_secret, refresh_token; url, username, password; url."""


def seal_credentials(box: SecretBox, uuid: UUID, credentials: Credentials) -> bytes:
    """As they are kept."""
    return box.seal(json.dumps(credentials), row=f"calendar:{uuid}")


def open_credentials(box: SecretBox, calendar: Calendar) -> Credentials:
    """As they were given."""
    opened: Credentials = json.loads(box.open(calendar.sealed_credentials, row=f"calendar:{calendar.uuid}"))
    return opened


def seal_access(box: SecretBox, uuid: UUID, token: str) -> bytes:
    """An access token as it is kept."""
    return box.seal(token, row=f"calendar_access:{uuid}")


def open_access(box: SecretBox, calendar: Calendar) -> Access | None:
    """The access token at hand."""
    if calendar.sealed_access is None or calendar.access_until is None:
        return None
    return Access(box.open(calendar.sealed_access, row=f"calendar_access:{calendar.uuid}"), calendar.access_until)


@dataclass(slots=True)
class Providers:
    """Builds providers; they share the process's outbound client."""

    outbound: Outbound
    clock: Clock
    settings: Settings

    def build(self, platform: str, credentials: Credentials, keep: Keep, *, access: Access | None = None) -> Provider:
        """The provider of a platform with these credentials."""
        settings = self.settings
        own = settings.public_url
        match Platform(platform):
            case Platform.GOOGLE:
                url = f"{settings.google_oauth_url.rstrip('/')}/token"
                return Google(self._caller(url, credentials, keep, access), settings.google_api_url, own=own)
            case Platform.MICROSOFT:
                url = f"{settings.microsoft_oauth_url.rstrip('/')}/common/oauth2/v2.0/token"
                return Microsoft(self._caller(url, credentials, keep, access), settings.microsoft_api_url, own=own)
            case Platform.CALDAV:
                return CalDav(self.outbound, **credentials, own=own)
            case Platform.ICS:
                return Feed(self.outbound, credentials["url"], own=own)

    def _caller(self, url: str, credentials: Credentials, keep: Keep, access: Access | None) -> OAuthCaller:
        return OAuthCaller(self.outbound, self.clock, url, OAuthClient(**credentials), access, keep)
