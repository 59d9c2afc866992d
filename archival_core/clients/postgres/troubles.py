"""Troubles that keep a PostgreSQL server from answering now, and their codes; the same for the source and the ledger.

A trouble passes, by itself or when somebody has looked after the server, and no job and no event is to blame for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, NamedTuple


class Blame(Enum):
    """Who makes a statement fail."""

    #: the server fails for everybody: the server is unreachable, read-only or full, or takes no credentials
    SERVER = auto()
    #: a connection broke in the middle: an outage breaks connections, and so does work that brings its server down
    BREAK = auto()
    #: somebody else holds what is wanted
    OTHERS = auto()
    #: nobody in particular: the statement itself may be the cause
    NOBODY = auto()
    #: what is stored is damaged
    DAMAGE = auto()


class Trouble(NamedTuple):
    """A trouble of a server."""

    #: the code of a trouble of the source, and the code of a trouble of the ledger or of a connection that is being made
    source: str
    database: str
    blame: Blame
    #: what somebody has to do, if anything, and where
    advice: str = ""


_UNREACHABLE: Final = Trouble("source-unreachable", "database", Blame.SERVER)
_BROKEN: Final = Trouble("source-unreachable", "database", Blame.BREAK)
_BUSY: Final = Trouble("source-busy", "database-busy", Blame.OTHERS)
_NO_MEMORY: Final = Trouble("source-busy", "database-busy", Blame.SERVER)
_LOCKED: Final = Trouble("source-locked", "database-locked", Blame.OTHERS)
_FAILED: Final = Trouble("source-failed", "database-failed", Blame.NOBODY, "the server's log says more")
_READ_ONLY: Final = Trouble(
    "source-read-only",
    "database-read-only",
    Blame.SERVER,
    "the server takes no writes: its storage is nearly full, or default_transaction_read_only is on, or it is a standby",
)
_FULL: Final = Trouble("source-full", "database-full", Blame.SERVER, "the server's disk is full: give it more storage")
_LIMIT: Final = Trouble(
    "source-limit",
    "database-limit",
    Blame.NOBODY,
    "raise the limit that the message names, temp_file_limit for instance",
)
_CONNECTIONS: Final = Trouble(
    "source-connections",
    "database-connections",
    Blame.SERVER,
    "all of the server's connections, or of the role's, are taken: raise max_connections, or have fewer instances",
)
_LOGIN: Final = Trouble(
    "source-login",
    "database-login",
    Blame.SERVER,
    "the server does not let the service's role in: look at the URL, its password, or the identity",
)
_TIMEOUT: Final = Trouble(
    "source-timeout",
    "database-timeout",
    Blame.SERVER,
    "a time-out of the server's ended the session, which the service's settings take back",
)
_CANCELLED: Final = Trouble("source-cancelled", "database-cancelled", Blame.NOBODY, "somebody cancelled the statement")
_TOO_SLOW: Final = Trouble(
    "source-statement-timeout",
    "database-statement-timeout",
    Blame.NOBODY,
    "the statement took longer than the statement_timeout that held for it",
)
_MISSING: Final = Trouble(
    "source-missing",
    "database-missing",
    Blame.SERVER,
    "the server has no database of that name: make the database, or correct the URL",
)
_DAMAGED: Final = Trouble(
    "source-damaged",
    "database-damaged",
    Blame.DAMAGE,
    "the server reads damaged data: put the database right, from a standby or a backup",
)

#: By SQLSTATE, or by its class (PostgreSQL documentation, appendix A).
_OF_STATE: Final[Mapping[str, Trouble]] = MappingProxyType(
    {
        "08": _UNREACHABLE,  # connection exception
        "25006": _READ_ONLY,
        "25P03": _TIMEOUT,  # idle_in_transaction_session_timeout
        "25P04": _TIMEOUT,  # transaction_timeout
        "28": _LOGIN,  # a token that has just expired is renewed for the next attempt
        "3D": _MISSING,
        "40": _BUSY,  # serialization failure, deadlock, conflict with recovery
        "53": _NO_MEMORY,
        "53100": _FULL,
        "53300": _CONNECTIONS,
        "53400": _LIMIT,
        "55006": _BUSY,  # object in use
        "55P03": _LOCKED,  # lock_timeout
        "57": _UNREACHABLE,  # shutdown, crash, start
        "57014": _CANCELLED,
        "57P02": _BROKEN,  # another session's crash took this one with it
        "57P04": _MISSING,  # the database was dropped
        "57P05": _TIMEOUT,  # idle_session_timeout
        "58": _FAILED,  # system error, of the disk for instance
        "72": _BUSY,  # snapshot too old
        "F0": _UNREACHABLE,  # the server's own files
        "XX": _FAILED,  # internal error
        "XX001": _DAMAGED,
        "XX002": _DAMAGED,
    }
)

#: libpq tells why a connection was not made by the server's words alone, and the Arrow driver what ended a COPY. The words are
#: PostgreSQL's own English ones; a server that speaks another language is `unreachable`, or has `failed`.
_OF_WORDS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(words), state)
    for words, state in (
        (r"FATAL: +(sorry, too many clients|remaining connection slots|too many connections for)", "53300"),
        (r"FATAL: +the database system is ", "57P03"),
        (r"FATAL: +terminating connection due to idle-session timeout", "57P05"),
        (r"FATAL: +terminating connection due to (idle-in-transaction|transaction) timeout", "25P03"),
        (r"FATAL: +terminating connection", "57P01"),
        (r"FATAL: +(password|\w+) authentication failed|FATAL: +(no pg_hba\.conf entry|pg_hba\.conf rejects)", "28P01"),
        (r'FATAL: +role ".*" (does not exist|is not permitted to log in)', "28000"),
        (r'FATAL: +database ".*" does not exist', "3D000"),
        (r"(ERROR|FATAL): +canceling statement due to conflict with recovery", "40001"),
        (r"ERROR: +canceling statement due to lock timeout", "55P03"),
        (r"ERROR: +canceling statement", "57014"),
        (r'ERROR: +temporary file size exceeds "?temp_file_limit', "53400"),
        (r"ERROR: .*: No space left on device", "53100"),
        (r"ERROR: +out of (shared )?memory", "53200"),
        (
            r"ERROR: +(invalid page in block|missing chunk number|unexpected chunk number|could not read block .* read only)",
            "XX001",
        ),
        (r"ERROR: +could not (read|open|write|extend|fsync)", "58030"),
    )
)


#: One SQLSTATE is of a statement that somebody cancelled and of one that `statement_timeout` ended: the words tell them apart.
_BY_TIMEOUT: Final = "due to statement timeout"


def trouble(sqlstate: str | None, message: str = "") -> Trouble | None:
    """Which trouble a SQLSTATE tells of, with the server's `message`; `None` for one that tells of the statement, and so will
    come again.
    """
    if sqlstate is None:
        return _BROKEN
    if sqlstate == "57014" and _BY_TIMEOUT in message:
        return _TOO_SLOW
    return _OF_STATE.get(sqlstate) or _OF_STATE.get(sqlstate[:2])


def sqlstate_of(message: str) -> str | None:
    """The SQLSTATE behind the words of `message`, which came without one; `None` where no server has answered."""
    for words, state in _OF_WORDS:
        if words.search(message):
            return state
    return "XX000" if re.search(r"\b(ERROR|FATAL): ", message) else None
