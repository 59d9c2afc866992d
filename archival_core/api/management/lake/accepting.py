"""Which form of an answer a request wants."""

from __future__ import annotations

from collections.abc import Sequence

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from archival_core.errors import PermanentError


def accepted(accept: str, media: Sequence[str]) -> str:
    """The one of `media` that the header `Accept` prefers (RFC 9110, 12.5.1); raises `PermanentError` (`not-acceptable`).

    The range that names a type most exactly gives its weight, and 0 excludes it. Of the same weight are preferred what is
    named most exactly, what stands first in the header, and what stands first in `media`. A header that is empty takes
    anything. A range that cannot be read names nothing.
    """
    if not accept.strip():
        return media[0]
    # parameters of a type, such as `charset`, do not matter to any form
    ranges = MIMEAccept((name.partition(";")[0].strip(), weight) for name, weight in parse_accept_header(accept))
    wanted = [one for one in media if ranges.quality(one) > 0]
    if not wanted:
        raise PermanentError(f"`Accept` takes none of the forms that there are: {', '.join(media)}", code="not-acceptable")
    return max(wanted, key=lambda one: (ranges.quality(one), -ranges.find(one)))
