"""How moments are written for clients, in the graph and in what webhooks receive."""

from datetime import UTC, datetime


def sent_moment(moment: datetime) -> str:
    """Return a moment as clients receive it: in UTC, always with six digits of microseconds, and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
